//! TLS to a database: whose certificate is believed, and what we show of ourselves.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, IpAddr, Ipv4Addr, PrivateKeyDer, ServerName, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    SupportedCipherSuite,
};

use crate::error::{Code, Error, Result};

/// Which authorities are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those that the system believes.
    System,
    /// Those of a file, in PEM.
    File(PathBuf),
}

/// What is asked of a connection. All files are PEM, and read at each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Without them any certificate is taken.
    pub roots: Option<Roots>,
    /// The certificate must be for the name of the host, too.
    pub check_name: bool,
    /// Lists of what the authorities took back; every certificate of the chain must be covered.
    pub revoked: Option<PathBuf>,
    /// Our own certificate with its chain, and its key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Settings with their files read: sessions are made of it.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// # Errors
    /// `invalid-parameter`, naming the file that is at fault.
    pub fn new(settings: &Settings) -> Result<Self> {
        let provider = Arc::new(default_provider());
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(Code::Internal, error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Believer::new(settings, provider)?));
        let config = match &settings.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
                config.with_client_auth_cert(chain, private_key(key)?).map_err(|error| at(key, &error))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// A session with the server of that name.
    ///
    /// # Errors
    /// `InvalidData` around what TLS has against the settings.
    pub fn session(&self, name: &str) -> io::Result<ClientConnection> {
        // What is no name cannot be the certificate's; whether that matters, the verifier says.
        let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
        let name = ServerName::try_from(name.to_owned()).unwrap_or(nobody);
        ClientConnection::new(self.0.clone(), name).map_err(io::Error::other)
    }
}

fn at(file: &Path, reason: &dyn Display) -> Error {
    Error::new(Code::InvalidParameter, format!("{}: {reason}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    match read {
        Ok(read) if read.is_empty() => Err(at(file, &"there is no certificate in it")),
        Ok(read) => Ok(read),
        Err(error) => Err(at(file, &error)),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let about = fs::metadata(file).map_err(|error| at(file, &error))?;
        // As libpq and OpenSSH have it: root may let a group read it.
        let others = if about.uid() == 0 { 0o037 } else { 0o077 };
        if about.mode() & others != 0 {
            return Err(at(file, &"others may read this private key; u=rw (0600) or less is needed"));
        }
    }
    PrivateKeyDer::from_pem_file(file).map_err(|error| match fs::read_to_string(file) {
        Ok(text) if text.contains("ENCRYPTED") => at(file, &"private keys under a password are not read"),
        _ => at(file, &error),
    })
}

/// Takes a server's certificate, or not.
#[derive(Debug)]
struct Believer {
    chains: Option<Arc<WebPkiServerVerifier>>,
    roots: Vec<CertificateDer<'static>>,
    check_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Believer {
    fn new(settings: &Settings, provider: Arc<CryptoProvider>) -> Result<Self> {
        let none = Self { chains: None, roots: Vec::new(), check_name: settings.check_name, provider };
        let mut store = RootCertStore::empty();
        let roots = match &settings.roots {
            None => return Ok(none),
            Some(Roots::File(file)) => {
                let roots = certificates(file)?;
                for root in &roots {
                    store.add(root.clone()).map_err(|error| at(file, &error))?;
                }
                roots
            }
            Some(Roots::System) => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                Vec::new()
            }
        };
        let mut chains = WebPkiServerVerifier::builder_with_provider(Arc::new(store), none.provider.clone());
        if let Some(file) = &settings.revoked {
            let lists: Result<Vec<_>, _> =
                CertificateRevocationListDer::pem_file_iter(file).and_then(Iterator::collect);
            chains = chains.with_crls(lists.map_err(|error| at(file, &error))?);
        }
        let chains = chains.build().map_err(|error| Error::new(Code::InvalidParameter, error.to_string()))?;
        Ok(Self { chains: Some(chains), roots, ..none })
    }
}

impl ServerCertVerifier for Believer {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{
            Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
            NotValidYetContext, Revoked,
        };
        let Some(chains) = &self.chains else { return Ok(ServerCertVerified::assertion()) };
        let outcome = chains.verify_server_cert(certificate, intermediates, name, ocsp, now);
        let Err(rustls::Error::InvalidCertificate(fault)) = &outcome else { return outcome };
        match fault {
            // Looked at last, when the chain is found good.
            NotValidForName | NotValidForNameContext { .. } if !self.check_name => {
                Ok(ServerCertVerified::assertion())
            }
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. } | Revoked => outcome,
            // A server that is its own authority, as `openssl req -x509` makes them: known by heart.
            _ if self.roots.iter().any(|root| root == certificate) => {
                if self.check_name {
                    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            _ => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a proof of identity is bound to so that nobody stands between, `tls-server-end-point` of
/// RFC 5929: the hash of the server's certificate. None for the rare signatures that we do not hash.
#[must_use]
pub fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let (whole, _) = element(certificate)?;
    let (_, rest) = element(whole)?;
    let (algorithm, _) = element(rest)?;
    let (oid, _) = element(algorithm)?;
    let suite = match oid {
        // MD5 and SHA-1 count as SHA-256: RSA's two, and ECDSA's one.
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04"
        | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"
        | b"\x2a\x86\x48\xce\x3d\x04\x01"
        | b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
        | b"\x2a\x86\x48\xce\x3d\x04\x03\x02" => cipher_suite::TLS13_AES_128_GCM_SHA256,
        b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c" | b"\x2a\x86\x48\xce\x3d\x04\x03\x03" => {
            cipher_suite::TLS13_AES_256_GCM_SHA384
        }
        _ => return None,
    };
    let SupportedCipherSuite::Tls13(suite) = suite else { return None };
    Some(suite.common.hash_provider.hash(certificate).as_ref().to_vec())
}

/// The content of the first element of DER, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [_, first, rest @ ..] = der else { return None };
    let (length, rest) = match first {
        short @ ..0x80 => (usize::from(*short), rest),
        long => {
            let (digits, rest) =
                rest.split_at_checked(usize::from(long & 0x7f)).filter(|(d, _)| d.len() <= 4)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    rest.split_at_checked(length)
}
