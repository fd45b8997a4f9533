//! The second session of a host.

use std::sync::Arc;
use std::time::Duration;

use dfab_ssh::{Connector, Session};

use crate::server::{Script, Server, keygen};

async fn says(session: &Session, line: &str) -> String {
    let output = session
        .run(line, None, Duration::from_secs(20), 1 << 20)
        .await;
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_has_one_session_for_all_who_ask() {
    let server = Server::start("");
    keygen(
        server.folder(),
        &["-t", "ed25519", "-N", "open sesame", "-f", "locked"],
    );
    std::fs::copy(
        server.folder().join("locked.pub"),
        server.folder().join("authorized_keys"),
    )
    .unwrap();
    let script = Script::new(&["open sesame"]);
    let connector = Connector::new(Arc::new(script.clone()));
    let mut target = server.target("h");
    target.identity_files = vec![server.folder().join("locked")];
    let session = connector.connect(&target).await.unwrap();
    let (one, two) = tokio::join!(session.for_bulk(), session.for_bulk());
    assert_eq!(server.logins(), 2);
    let again = one.for_bulk().await;
    for session in [&session, &one, &two, &again] {
        assert_eq!(says(session, "echo here").await, "here\n");
    }
    assert_eq!(server.logins(), 2);
    assert_eq!(script.asked().len(), 1);
    // It is closed with its last user, and opened anew for the next.
    drop((one, two, again));
    assert_eq!(says(&session.for_bulk().await, "echo here").await, "here\n");
    assert_eq!(server.logins(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_second_session_the_first_does_it_all() {
    let server = Server::start("");
    let script = Script::new(&["unasked"]);
    let connector = Connector::new(Arc::new(script.clone()));
    let session = connector.connect(&server.target("h")).await.unwrap();
    std::fs::write(server.folder().join("authorized_keys"), "").unwrap();
    for _ in 0..2 {
        assert_eq!(says(&session.for_bulk().await, "echo here").await, "here\n");
    }
    assert_eq!(server.logins(), 1);
    assert!(script.asked().is_empty(), "{:?}", script.asked());
}
