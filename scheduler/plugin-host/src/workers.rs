//! Where guests run: a thread of their own, and the clock that interrupts them there.
//!
//! A guest lets others run every 10 ms. On the daemon's own threads that would not be enough: two busy guests would hold both
//! of them, and between two looks at timers and sockets a thread takes dozens of turns of 10 ms each. Here guests share one
//! thread that looks at timers after every turn; however busy they are, they take one core and delay only each other.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tracing::instrument::WithSubscriber;
use wasmtime::Engine;

use crate::error::PluginError;
use crate::limits;

/// Held by the host and by each plugin: a plugin that outlives its host is interrupted all the same.
#[derive(Debug)]
pub(crate) struct Workers {
    runtime: Option<Runtime>,
    calls: Semaphore,
    ticker: Ticker,
}

impl Workers {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plugins")
            .event_interval(1)
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime), calls: Semaphore::new(limits::CALLS), ticker: Ticker::start(engine)? })
    }

    /// Runs a call of a guest, as soon as fewer than [`limits::CALLS`] are under way. Whoever drops this ends the call.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, PluginError> {
        debug_assert!(self.ticker.is_running(), "without the ticker nothing interrupts a guest");
        let _permit = self.calls.acquire().await.expect("it is never closed");
        let runtime = self.runtime.as_ref().expect("it is there until it is dropped");
        // Its log lines go where those of whoever calls go.
        let mut running = Running(runtime.spawn(call.with_current_subscriber()));
        // Neither is a guest's doing: a guest ends in a trap.
        (&mut running.0).await.map_err(|error| {
            let what = if error.is_panic() { "failed" } else { "stopped" };
            PluginError::Trapped(format!("lowtide {what} while it ran; this is a fault of lowtide, please report it"))
        })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The last holder may be a task of another runtime, which must not wait.
            runtime.shutdown_background();
        }
    }
}

/// A call under way, which ends when nobody waits for it any more.
struct Running<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A thread that advances the engine's epoch, so that guests are interrupted.
#[derive(Debug)]
struct Ticker {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: &Engine) -> std::io::Result<Self> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, weak) = (stopping.clone(), engine.weak());
        let thread = std::thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(limits::TICK);
                match weak.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        })?;
        Ok(Self { stopping, thread: Some(thread) })
    }

    fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within a tick; a panic in it has nothing to say here.
            let _ = thread.join();
        }
    }
}
