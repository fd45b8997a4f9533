//! Keys of security keys (FIDO) in an agent, which alone can use them.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dfab_ssh::Session;
use openssl::bn::BigNumContext;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::ecdsa::EcdsaSig;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;

use crate::server::{Server, chain, keygen};

const ED25519: &str = "sk-ssh-ed25519@openssh.com";
const ECDSA: &str = "sk-ecdsa-sha2-nistp256@openssh.com";
/// For what the key was made.
const APPLICATION: &[u8] = b"ssh:";
/// Somebody has touched the key.
const PRESENT: u8 = 1;

/// The key in a device.
enum Device {
    Ed25519(PKey<Private>),
    Ecdsa(EcKey<Private>),
}

impl Device {
    fn ed25519() -> Self {
        Self::Ed25519(PKey::generate_ed25519().unwrap())
    }

    fn ecdsa() -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self::Ecdsa(EcKey::generate(&group).unwrap())
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => ED25519,
            Self::Ecdsa(_) => ECDSA,
        }
    }

    /// The public key (PROTOCOL.u2f of OpenSSH).
    fn public(&self) -> Vec<u8> {
        let kind = self.kind().as_bytes();
        match self {
            Self::Ed25519(key) => strings(&[kind, &key.raw_public_key().unwrap(), APPLICATION]),
            Self::Ecdsa(key) => {
                let mut context = BigNumContext::new().unwrap();
                let form = PointConversionForm::UNCOMPRESSED;
                let point = key.public_key().to_bytes(key.group(), form, &mut context);
                strings(&[kind, b"nistp256", &point.unwrap(), APPLICATION])
            }
        }
    }

    /// A signature, as the agent answers it.
    fn sign(&self, data: &[u8], flags: u8, counter: u32) -> Vec<u8> {
        let state = [&[flags][..], &counter.to_be_bytes()].concat();
        let signed = [&sha256(APPLICATION)[..], &state, &sha256(data)].concat();
        let signature = match self {
            Self::Ed25519(key) => {
                let mut signer = Signer::new_without_digest(key).unwrap();
                signer.sign_oneshot_to_vec(&signed).unwrap()
            }
            Self::Ecdsa(key) => {
                let signature = EcdsaSig::sign(&sha256(&signed), key).unwrap();
                let number = |number: &openssl::bn::BigNumRef| {
                    // A first bit that is set would make it negative.
                    let bytes = number.to_vec();
                    let sign = vec![0; usize::from(bytes[0] >> 7)];
                    [sign, bytes].concat()
                };
                strings(&[&number(signature.r()), &number(signature.s())])
            }
        };
        [strings(&[self.kind().as_bytes(), &signature]), state].concat()
    }
}

fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

fn string(bytes: &mut &[u8]) -> Vec<u8> {
    let (length, rest) = bytes.split_at(4);
    let length = u32::from_be_bytes(length.try_into().unwrap());
    let (string, rest) = rest.split_at(usize::try_from(length).unwrap());
    *bytes = rest;
    string.to_vec()
}

/// An agent with one device (draft-miller-ssh-agent). It answers until the test ends.
fn agent(folder: &Path, device: Device, flags: u8) -> PathBuf {
    let socket = folder.join(format!("agent-{}-{flags}", device.kind()));
    let listener = UnixListener::bind(&socket).unwrap();
    let device = Arc::new(device);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let device = Arc::clone(&device);
            std::thread::spawn(move || answer(stream, &device, flags));
        }
    });
    socket
}

fn answer(mut stream: UnixStream, device: &Device, flags: u8) {
    let mut counter = 7;
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut request).unwrap();
        let (kind, mut request) = request.split_first().unwrap();
        let answer = match kind {
            // Which keys there are: one, with a comment.
            11 => [
                &[12, 0, 0, 0, 1][..],
                &strings(&[&device.public(), b"a device"]),
            ]
            .concat(),
            13 => {
                assert_eq!(string(&mut request), device.public());
                counter += 1;
                let signature = device.sign(&string(&mut request), flags, counter);
                [&[14][..], &strings(&[&signature])].concat()
            }
            _ => vec![5],
        };
        stream.write_all(&strings(&[&answer])).unwrap();
    }
}

#[tokio::test]
async fn security_keys_log_in_by_the_agent() {
    let server = Server::start("");
    let authorized = server.folder().join("authorized_keys");
    for device in [Device::ed25519, Device::ecdsa] {
        let key = device();
        let kind = key.kind();
        let line = format!("{kind} {}\n", STANDARD.encode(key.public()));
        std::fs::write(&authorized, &line).unwrap();
        let mut target = server.target("h");
        target.identity_files = Vec::new();
        target.identity_agent = Some(agent(server.folder(), key, PRESENT));
        Session::connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{kind}: {}", chain(&error)));

        // A public key tells which one of the agent is meant.
        std::fs::write(server.folder().join("id_sk.pub"), line).unwrap();
        target.identity_files = vec![server.folder().join("id_sk.pub")];
        target.identities_only = true;
        Session::connect(&target)
            .await
            .unwrap_or_else(|error| panic!("{kind}: {}", chain(&error)));

        // One that nobody has touched proves nothing.
        let key = device();
        let line = format!("{kind} {}\n", STANDARD.encode(key.public()));
        std::fs::write(&authorized, line).unwrap();
        target.identities_only = false;
        target.identity_files = Vec::new();
        target.identity_agent = Some(agent(server.folder(), key, 0));
        let error = Session::connect(&target).await.expect_err("untouched");
        let error = chain(&error);
        assert!(error.contains("the agent's key a device"), "{error}");
    }
    assert_eq!(
        server.logged(&format!("Accepted publickey for {}", crate::server::user())),
        4
    );
}

#[tokio::test]
async fn the_next_key_is_tried_where_a_security_key_is_refused() {
    let server = Server::start("");
    keygen(server.folder(), &["-t", "ed25519", "-N", "", "-f", "other"]);
    let mut target = server.target("h");
    target.identity_files = vec![server.folder().join("other"), server.folder().join("user")];
    target.identity_agent = Some(agent(server.folder(), Device::ed25519(), PRESENT));
    let session = Session::connect(&target).await;
    session.unwrap_or_else(|error| panic!("{}", chain(&error)));
}
