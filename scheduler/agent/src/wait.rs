//! Waiting: for file descriptors, for files to change, for signals.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};

/// Waits until one of these can be read, or the time is over. Which can be read.
pub(crate) fn until_readable<const N: usize>(fds: [Option<BorrowedFd<'_>>; N], timeout: Duration) -> [bool; N] {
    let mut watched: Vec<PollFd<'_>> =
        fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // Interrupted by a signal: the signal's own descriptor tells the next time.
    let found = poll(&mut watched, Some(&timeout)).is_ok();
    let mut events = watched.iter().map(|fd| found && !fd.revents().is_empty());
    fds.map(|fd| fd.is_some() && events.next().unwrap_or(false))
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed<const N: usize> {
    /// A file was moved into the directory.
    pub(crate) directory: bool,
    /// Which of the files were written to.
    pub(crate) files: [bool; N],
}

impl<const N: usize> Changed<N> {
    /// Anything may have.
    pub(crate) const ANY: Self = Self { directory: true, files: [true; N] };
}

/// Tells when files change. Where the system grants no watch (their number per user is limited), anything may have
/// changed at any time, and has to be looked at in intervals.
#[derive(Debug)]
pub(crate) struct Changes<const N: usize> {
    inotify: Option<OwnedFd>,
    watches: [i32; N],
}

impl<const N: usize> Changes<N> {
    /// Of the content of these files, and of files moved into `directory`.
    pub(crate) fn of(directory: Option<&Path>, files: [&Path; N]) -> Self {
        let watch = || -> io::Result<(OwnedFd, [i32; N])> {
            let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            if let Some(directory) = directory {
                inotify::add_watch(&inotify, directory, WatchFlags::MOVED_TO)?;
            }
            let mut watches = [0; N];
            for (watch, file) in watches.iter_mut().zip(files) {
                *watch = inotify::add_watch(&inotify, file, WatchFlags::MODIFY)?;
            }
            Ok((inotify, watches))
        };
        match watch() {
            Ok((inotify, watches)) => Self { inotify: Some(inotify), watches },
            Err(_) => Self { inotify: None, watches: [0; N] },
        }
    }

    /// Readable when something has changed.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(OwnedFd::as_fd)
    }

    /// What has changed since this was last asked.
    pub(crate) fn take(&self) -> Changed<N> {
        let Some(inotify) = &self.inotify else { return Changed::ANY };
        let mut changed = Changed { directory: false, files: [false; N] };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(inotify, &mut buffer);
        while let Ok(event) = events.next() {
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                return Changed::ANY;
            }
            match self.watches.iter().position(|watch| *watch == event.wd()) {
                Some(file) => changed.files[file] = true,
                None => changed.directory = true,
            }
        }
        changed
    }
}

/// Signals sent to this process, as something to wait for.
#[derive(Debug)]
pub(crate) struct Signals {
    received: Vec<(i32, UnixStream)>,
    woken: UnixStream,
}

impl Signals {
    /// From now on these signals have no effect but to be told here.
    pub(crate) fn listen(signals: &[i32]) -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let mut received = Vec::new();
        for signal in signals {
            // One pair tells which it was, the other wakes for all of them.
            let (receiver, sender) = UnixStream::pair()?;
            receiver.set_nonblocking(true)?;
            signal_hook::low_level::pipe::register(*signal, sender)?;
            signal_hook::low_level::pipe::register(*signal, wake.try_clone()?)?;
            received.push((*signal, receiver));
        }
        Ok(Self { received, woken })
    }

    /// Readable when there are any.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.woken.as_fd()
    }

    /// Those that came since this was last asked.
    pub(crate) fn take(&self) -> Vec<i32> {
        let any = |stream: &UnixStream| {
            let mut buffer = [0; 64];
            let mut any = false;
            while rustix::io::read(stream, &mut buffer).is_ok_and(|count| count > 0) {
                any = true;
            }
            any
        };
        any(&self.woken);
        self.received.iter().filter(|(_, stream)| any(stream)).map(|(signal, _)| *signal).collect()
    }
}
