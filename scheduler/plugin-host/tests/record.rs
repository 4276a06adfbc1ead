//! A recording of a live service holds its answers and no secret, and replays as it was.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use lowtide_plugin_host::{
    Fetched, Fetcher, Grants, HttpMethod, HttpRequest, NetworkFetcher, RecordingFetcher, ReplayFetcher,
};

mod loopback;

use loopback::{Answer, Provider};

fn request(provider: &Provider, path: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let grants = Grants { hosts: vec![provider.base.clone()], assets: BTreeMap::new() };
    let address = format!("{}{path}", provider.base);
    let mut request = HttpRequest::new(HttpMethod::Get, grants.check(&address).expect("granted"));
    request.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    // What the host adds is not what the guest asked.
    request.origin.url.query_pairs_mut().append_pair("api_key", "geheim-123");
    request
}

#[tokio::test]
async fn a_recording_replays_and_holds_no_secret() {
    let answer = |path, header, body: &str| Answer { path, status: 200, header, body: body.into() };
    let provider = Provider::with(vec![
        answer("/data", "Content-Type: application/json", r#"{"asked":"?api_key=geheim-123","value":7}"#),
        answer("/login", "Content-Type: application/json", r#"{"token":"eyJhbGciOiJIUzI1NiJ9.long"}"#),
        Answer { path: "/late", status: 429, header: "Retry-After: 30", body: Vec::new() },
    ])
    .await;
    let folder = tempfile::tempdir().expect("a folder");
    let network = Arc::new(NetworkFetcher::new().expect("a client"));
    let recorder = RecordingFetcher::new(network, folder.path(), vec!["geheim-123".into()]).expect("made");
    let basic = [("authorization", "Basic YWRhOmdlaGVpbS0xMjM=")];
    for (path, headers) in [("/data?zone=A", &[][..]), ("/login", &basic[..]), ("/late", &[][..])] {
        recorder.fetch(request(&provider, path, headers)).await.expect("answered");
    }
    assert_eq!(recorder.answers(), 3);
    for entry in fs::read_dir(folder.path()).expect("made") {
        let text = fs::read_to_string(entry.expect("there").path()).expect("text");
        assert!(!text.contains("geheim") && !text.contains("eyJhbGci") && !text.contains("YWRhOm"), "{text}");
    }
    let replay = ReplayFetcher::open(folder.path()).expect("a recording");
    let fetched = replay.fetch(request(&provider, "/data?zone=A", &[])).await.expect("recorded");
    assert_eq!(fetched.body, br#"{"asked":"?api_key=redacted","value":7}"#);
    let Fetched { status, headers, .. } = replay.fetch(request(&provider, "/late", &[])).await.expect("recorded");
    assert_eq!((status, headers), (429, vec![("retry-after".to_owned(), "30".to_owned())]));
    assert!(replay.fetch(request(&provider, "/other", &[])).await.is_err());
    assert_eq!(provider.asked()[0], "/data?zone=A&api_key=geheim-123");
}
