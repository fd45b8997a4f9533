//! TLS to an engine that listens on TCP, as docker speaks it: the engine shows a certificate, and
//! wants one of the client where it was started with `--tlsverify`
//! (<https://docs.docker.com/engine/security/protect-access/>).
//!
//! Files are read and checked before anything is connected. What goes wrong afterwards is told with
//! the file that it has to do with.

mod error;
mod file;
mod handshake;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use openssl::ssl::{SslContext, SslMethod, SslVerifyMode, SslVersion};

pub use error::{TlsError, TlsFileError};
pub(crate) use handshake::connect;

/// What to show, and whom to trust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificates of the authorities that engines are trusted for (PEM); those of the system if
    /// none.
    pub authority: Option<PathBuf>,
    /// What the client shows.
    pub identity: Option<Identity>,
    /// What is checked of the engine's certificate.
    pub check: Check,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by those between it and the authority's (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM, without a passphrase).
    pub key: PathBuf,
}

/// What is checked of the engine's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// That it is valid, and for the host that was connected to.
    #[default]
    Host,
    /// That it is valid, and for this name or address.
    Name(String),
    /// That it is valid, whatever its names.
    AnyName,
    /// Nothing: whoever is in between can read and change everything.
    Nothing,
}

/// Options whose files were read and go together. Clones share them.
#[derive(Clone)]
pub struct Tls {
    context: SslContext,
    options: Arc<TlsOptions>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files and checks that they go together.
    ///
    /// # Errors
    /// [`TlsFileError`] names the file, and what is wrong with it.
    pub fn load(options: TlsOptions) -> Result<Self, TlsFileError> {
        let mut builder = SslContext::builder(SslMethod::tls_client())?;
        builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
        if options.check == Check::Nothing {
            builder.set_verify(SslVerifyMode::NONE);
        } else {
            builder.set_verify(SslVerifyMode::PEER);
            builder.set_cert_store(file::authorities(options.authority.as_deref())?);
        }
        if let Some(identity) = &options.identity {
            let (chain, key) = file::identity(identity)?;
            for (index, certificate) in chain.into_iter().enumerate() {
                if index == 0 {
                    builder.set_certificate(&certificate)?;
                } else {
                    builder.add_extra_chain_cert(certificate)?;
                }
            }
            builder.set_private_key(&key)?;
        }
        Ok(Self {
            context: builder.build(),
            options: Arc::new(options),
        })
    }

    /// What was loaded.
    #[must_use]
    pub fn options(&self) -> &TlsOptions {
        &self.options
    }
}
