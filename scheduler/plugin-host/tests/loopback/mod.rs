//! A provider on loopback: answers by the beginning of the address and remembers what it was asked.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// One prepared answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The beginning of the address it is for.
    pub(crate) path: &'static str,
    /// The status.
    pub(crate) status: u16,
    /// One more header line.
    pub(crate) header: &'static str,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// The provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// Where it is.
    pub(crate) base: String,
    asked: Arc<Mutex<Vec<String>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// A provider with these answers; what fits none of them is not found. Of several for one path each is told once, in
    /// their order, and the last one ever after.
    pub(crate) async fn with(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let base = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (log, whole) = (asked.clone(), requests.clone());
        tokio::spawn(async move {
            let mut turns = HashMap::new();
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let mut reader = BufReader::new(&mut stream);
                let mut request = String::new();
                let mut line = String::new();
                while reader.read_line(&mut line).await.is_ok_and(|read| 2 < read) {
                    request.push_str(&line);
                    line.clear();
                }
                let address = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let fitting = answers.iter().filter(|answer| address.starts_with(answer.path));
                let path = fitting.map(|answer| answer.path).max_by_key(|path| path.len());
                let same: Vec<&Answer> = answers.iter().filter(|answer| Some(answer.path) == path).collect();
                let turn = turns.entry(path).or_insert(0_usize);
                let answer = same.get(*turn).or(same.last()).map(|answer| (*answer).clone());
                *turn += 1;
                let Answer { status, header, body, .. } =
                    answer.unwrap_or(Answer { path: "", status: 404, header: "x-a: b", body: Vec::new() });
                log.lock().expect("no panic").push(address);
                whole.lock().expect("no panic").push(request.to_ascii_lowercase());
                let head = format!(
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{header}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            }
        });
        Self { base, asked, requests }
    }

    /// The addresses asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }

    /// The requests so far, with their headers, in small letters.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").clone()
    }
}
