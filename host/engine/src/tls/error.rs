//! What can be wrong with files of TLS, and with what an engine answers.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use openssl::error::ErrorStack;

/// Files that TLS cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}", .file.display())]
    Read {
        /// What it is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file has something else in it.
    #[error("{} has no {what} in PEM format", .file.display())]
    Content {
        /// What was looked for.
        what: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// The key wants a passphrase.
    #[error(
        "the key {} is protected by a passphrase; decrypt it with `openssl pkey -in {} -out NEW`",
        .file.display(), .file.display()
    )]
    Passphrase {
        /// The file.
        file: PathBuf,
    },
    /// The certificate is of the past.
    #[error("the {what} {} expired on {since}", .file.display())]
    Expired {
        /// What it is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// When, as OpenSSL writes it.
        since: String,
    },
    /// The certificate is of the future.
    #[error(
        "the {what} {} is not valid before {from}; is the clock of this machine right?",
        .file.display()
    )]
    NotYetValid {
        /// What it is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// When, as OpenSSL writes it.
        from: String,
    },
    /// Certificate and key are not a pair.
    #[error("the key {} does not fit the certificate {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// No authority was named, and the system has none.
    #[error(
        "this system has no certificates of authorities; name the one that signed the engine's \
         certificate (`ca_cert`)"
    )]
    NoAuthorities,
    /// OpenSSL refuses.
    #[error("cannot set up TLS")]
    Setup(#[from] ErrorStack),
}

/// Why an engine and we do not agree on TLS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// Nobody that we trust has signed the certificate.
    #[error(
        "the certificate of {host} is signed by {issuer}, which {trusted} does not vouch for; is it \
         the right authority (`ca_cert`)?"
    )]
    UnknownAuthority {
        /// To whom we spoke.
        host: String,
        /// Who signed.
        issuer: String,
        /// The file of trusted authorities.
        trusted: String,
    },
    /// A certificate of the engine's, or of an authority between, is of the past.
    #[error("the certificate {subject} that {host} shows expired on {since}")]
    Expired {
        /// To whom we spoke.
        host: String,
        /// Whose certificate.
        subject: String,
        /// When.
        since: String,
    },
    /// A certificate is of the future.
    #[error(
        "the certificate {subject} that {host} shows is not valid before {from}; are the clocks \
         right?"
    )]
    NotYetValid {
        /// To whom we spoke.
        host: String,
        /// Whose certificate.
        subject: String,
        /// When.
        from: String,
    },
    /// The certificate is somebody else's.
    #[error(
        "the certificate of {host} is for {names}, and not for {wanted}; connect by one of its names, \
         or name the one that it has (`assert_hostname`)"
    )]
    WrongName {
        /// To whom we spoke.
        host: String,
        /// Its names.
        names: String,
        /// The name that was wanted.
        wanted: String,
    },
    /// The certificate is refused for something else.
    #[error("the certificate of {host} is refused: {reason}")]
    Refused {
        /// To whom we spoke.
        host: String,
        /// Why, in OpenSSL's words.
        reason: String,
    },
    /// The engine wants a certificate, and none was given.
    #[error("{host} wants a certificate of the client, and none is given (`client_cert`)")]
    NoIdentity {
        /// To whom we spoke.
        host: String,
    },
    /// The engine does not take our certificate.
    #[error("{host} refuses the certificate {}: {reason}", .certificate.display())]
    Identity {
        /// To whom we spoke.
        host: String,
        /// Ours.
        certificate: PathBuf,
        /// Its alert.
        reason: String,
    },
    /// What answers does not speak TLS.
    #[error("{host} does not answer in TLS; does the engine speak it there (`--tlsverify`)?")]
    NotTls {
        /// To whom we spoke.
        host: String,
    },
    /// Anything else.
    #[error("no TLS with {host}: {reason}")]
    Handshake {
        /// To whom we spoke.
        host: String,
        /// In OpenSSL's words.
        reason: String,
    },
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        // As the error of a channel, which is what streams are looked through for.
        Self::other(crate::connector::ChannelError::Tls {
            source: Arc::new(error),
        })
    }
}
