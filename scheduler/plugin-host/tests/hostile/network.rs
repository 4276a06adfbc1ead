//! A server on loopback that does what no provider should.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

/// Zeros, and so many of them, that deflate to a thousandth: a small body that would become 64 MiB.
const BOMB_BYTES: usize = 64 << 20;
/// More than a body may have.
const TOO_MUCH: usize = 3 << 20;

/// Serves on a thread of its own until the process ends; the address of its root.
pub(crate) fn serve() -> String {
    LazyLock::force(&BOMB);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    base
}

/// A client that goes away is what is hoped for.
fn answer(mut stream: TcpStream) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut request = String::new();
    let mut reader = BufReader::new(reading);
    while reader.read_line(&mut request).is_ok_and(|read| 2 < read) {}
    let address = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = address.split('?').next().unwrap_or_default();
    let _ = match path {
        "/redirect-301" => redirect(&mut stream, 301),
        "/redirect-302" => redirect(&mut stream, 302),
        "/redirect-307" => redirect(&mut stream, 307),
        "/bomb" => {
            let bomb = &*BOMB;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(bomb))
        }
        "/large" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TOO_MUCH}\r\n\r\n");
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&vec![b'x'; TOO_MUCH]))
        }
        "/endless" => {
            let mut ended = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let chunk = [b"10000\r\n".as_slice(), &vec![b'x'; 0x1_0000], b"\r\n"].concat();
            while ended.is_ok() {
                ended = stream.write_all(&chunk);
            }
            ended
        }
        "/slow-head" => {
            drip(&mut stream, b"HTTP/1.1 200 OK\r\nX-Very: slow\r\nX-More: slow\r\nContent-Length: 0\r\n\r\n")
        }
        "/slow-body" => stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            .and_then(|()| drip(&mut stream, &[b'x'; 1000])),
        "/short" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
        "/nonsense" => stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n"),
        "/echo" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{address}", address.len());
            stream.write_all(head.as_bytes())
        }
        "/headers" => {
            let body = if request.to_ascii_lowercase().contains("host: evil") { "evil" } else { "" };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(head.as_bytes())
        }
        // Closed without a word.
        _ => Ok(()),
    };
}

fn redirect(stream: &mut TcpStream, status: u16) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status} Elsewhere\r\nLocation: http://169.254.169.254/latest/meta-data/\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes())
}

/// One byte now and then: the head of a slow loris.
fn drip(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(&[*byte])?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Made before anybody asks: making it takes longer than a guest may wait.
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(bomb);

/// A gzip member of stored zeros that were deflated. The checksum does not matter: nobody is to inflate it.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(miniz_oxide::deflate::compress_to_vec(&vec![0; BOMB_BYTES], 9));
    bytes.extend([0; 8]);
    bytes
}
