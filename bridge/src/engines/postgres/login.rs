//! The beginning of a connection: who we are, and the proof of it.

use std::io;

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{
    ChannelBinding, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256,
};

use super::address::Address;
use super::fault::{of_response, unexpected};
use super::secure::Binding;
use super::wire::{Conn, put_length, put_text, word};
use crate::engines::tls::end_point;
use crate::error::{Code, Error, Result};

/// Says who we are and what we want, and answers what the server asks, until it is ready. `asked` is
/// set once the server wants a proof.
///
/// # Errors
/// `database-unavailable`; `unsupported` for ways to authenticate that are not spoken here.
pub fn enter(conn: &mut Conn, address: &Address, password: Option<&str>, asked: &mut bool) -> Result<()> {
    let mut parameters = vec![
        ("user", address.user.as_str()),
        ("database", &address.database),
        ("application_name", &address.application_name),
        // What we read as text must not depend on anybody's taste.
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, YMD"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("extra_float_digits", "3"),
        ("bytea_output", "hex"),
    ];
    if let Some(options) = &address.options {
        parameters.push(("options", options));
    }
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        put_text(&mut body, name);
        put_text(&mut body, value);
    }
    body.push(0);
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    conn.output.extend_from_slice(&length.to_be_bytes());
    conn.output.extend_from_slice(&body);
    conn.flush()?;
    let mut proof = None;
    loop {
        let (tag, body) = conn.message()?;
        match tag {
            b'R' => {
                let body = conn.body(body).to_vec();
                *asked = true;
                authenticate(conn, &body, address, password, &mut proof)?;
            }
            b'S' => {
                let body = conn.body(body).to_vec();
                parameter(conn, &body);
            }
            b'K' => {
                let body = conn.body(body);
                conn.canceller.key = (word(body, 0), word(body, 4));
            }
            b'Z' => {
                conn.entered();
                return Ok(());
            }
            b'E' => return Err(of_response(conn.body(body))),
            _ => {}
        }
    }
}

/// A proof of the password, on its way.
struct Proof {
    scram: ScramSha256,
    /// To the certificate of the server, which it knows as well.
    bound: bool,
    finished: bool,
}

fn authenticate(
    conn: &mut Conn,
    body: &[u8],
    address: &Address,
    password: Option<&str>,
    proof: &mut Option<Proof>,
) -> Result<()> {
    let refused = |error: io::Error| Error::new(Code::DatabaseUnavailable, error.to_string());
    let password = || {
        password.ok_or_else(|| {
            Error::new(Code::DatabaseUnavailable, "PostgreSQL asks for a password, and none was given")
        })
    };
    let must_bind = address.security.binding == Binding::Require;
    let unbound =
        || Error::new(Code::DatabaseUnavailable, "channel_binding=require, and PostgreSQL does not");
    match word(body, 0) {
        0 if must_bind && !proof.as_ref().is_some_and(|proof| proof.bound && proof.finished) => {
            return Err(unbound());
        }
        0 => return Ok(()),
        3 | 5 if must_bind => return Err(unbound()),
        3 => {
            let mut text = password()?.as_bytes().to_vec();
            text.push(0);
            conn.put(b'p', &text);
        }
        5 => {
            let salt = body.get(4..8).and_then(|salt| salt.try_into().ok());
            let salt = salt.ok_or_else(|| unexpected("a salt of another length"))?;
            let mut text = md5_hash(address.user.as_bytes(), password()?.as_bytes(), salt).into_bytes();
            text.push(0);
            conn.put(b'p', &text);
        }
        10 => {
            let offers = |name: &str| body[4..].split(|byte| *byte == 0).any(|one| one == name.as_bytes());
            let end = match address.security.binding {
                Binding::Disable => None,
                Binding::Prefer | Binding::Require => conn.socket.certificate().and_then(end_point),
            };
            let (name, binding) = match end {
                Some(end) if offers(SCRAM_SHA_256_PLUS) => {
                    (SCRAM_SHA_256_PLUS, ChannelBinding::tls_server_end_point(end))
                }
                _ if must_bind => return Err(unbound()),
                // A server that did offer it hears so that somebody between us took it away.
                Some(_) => (SCRAM_SHA_256, ChannelBinding::unrequested()),
                None => (SCRAM_SHA_256, ChannelBinding::unsupported()),
            };
            if !offers(name) {
                return Err(Error::new(Code::Unsupported, "PostgreSQL offers no SCRAM-SHA-256"));
            }
            let scram = ScramSha256::new(password()?.as_bytes(), binding);
            let mut text = Vec::new();
            put_text(&mut text, name);
            put_length(&mut text, scram.message().len());
            text.extend_from_slice(scram.message());
            conn.put(b'p', &text);
            *proof = Some(Proof { scram, bound: name == SCRAM_SHA_256_PLUS, finished: false });
        }
        11 => {
            let proof = proof.as_mut().ok_or_else(|| unexpected("SASL out of turn"))?;
            proof.scram.update(&body[4..]).map_err(refused)?;
            let text = proof.scram.message().to_vec();
            conn.put(b'p', &text);
        }
        12 => {
            let proof = proof.as_mut().ok_or_else(|| unexpected("SASL out of turn"))?;
            proof.finished = true;
            return proof.scram.finish(&body[4..]).map_err(refused);
        }
        other => {
            let detail = format!("PostgreSQL asks for an authentication of kind {other}");
            return Err(Error::new(Code::Unsupported, detail));
        }
    }
    conn.flush()
}

fn parameter(conn: &mut Conn, body: &[u8]) {
    let mut fields = body.split(|byte| *byte == 0);
    // Its number is not reported.
    if fields.next() != Some(b"server_version") {
        return;
    }
    if let Some(value) = fields.next().and_then(|value| std::str::from_utf8(value).ok()) {
        let mut parts = value.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().ok());
        if let Some(Some(major)) = parts.next()
            && (9..100).contains(&major)
            && value.contains('.')
        {
            conn.version = major * 10_000 + parts.next().flatten().unwrap_or(0);
        }
    }
}
