//! The beginning of a connection: who we are, and the proof of it.

use curve25519_dalek::{EdwardsPoint, Scalar};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};

use super::cells::{Reader, put_length, put_sized};
use super::connect::Greeting;
use super::fault::{of_packet, unexpected};
use super::wire::Conn;
use crate::error::{Code, Error, Result};

/// Says who we are and answers what the server asks, until it lets us in. `private` says that nobody
/// else can read what we send.
///
/// # Errors
/// `database-unavailable`; `unsupported` for ways to prove it that are not spoken here.
pub fn enter(
    conn: &mut Conn,
    head: &[u8],
    greeting: &Greeting,
    attributes: bool,
    private: bool,
) -> Result<()> {
    let address = conn.address.clone();
    let password = address.password.as_deref().unwrap_or_default();
    // What is not known here the server offers again, by name.
    let known = matches!(greeting.plugin.as_str(), "mysql_native_password" | "caching_sha2_password");
    let mut plugin = if known { greeting.plugin.clone() } else { "mysql_native_password".to_owned() };
    let mut salt = greeting.salt.clone();
    let proof = prove(&plugin, password, &salt)?;
    let out = conn.message();
    out.extend_from_slice(head);
    out.extend_from_slice(address.user.as_bytes());
    out.push(0);
    put_sized(out, &proof);
    if !address.database.is_empty() {
        out.extend_from_slice(address.database.as_bytes());
        out.push(0);
    }
    out.extend_from_slice(plugin.as_bytes());
    out.push(0);
    if attributes {
        let (name, value) = (b"program_name", b"fsspec-db");
        put_length(out, name.len() + value.len() + 2);
        put_sized(out, name);
        put_sized(out, value);
    }
    conn.end_message();
    conn.flush()?;
    loop {
        let range = conn.packet()?;
        let body = conn.body(range).to_vec();
        let reply = match body.as_slice() {
            [0, ..] => {
                conn.idle = true;
                return Ok(());
            }
            [0xff, rest @ ..] => {
                // Whatever it is called, nobody was let in.
                let error = of_packet(rest);
                let code =
                    if error.code() == Code::NotFound { Code::NotFound } else { Code::DatabaseUnavailable };
                let refused = Error::new(code, error.detail());
                return Err(match error.sqlstate() {
                    Some(state) => refused.with_sqlstate(state),
                    None => refused,
                });
            }
            [0xfe] => return Err(unspoken("mysql_old_password")),
            [0xfe, rest @ ..] => {
                let mut reader = Reader(rest);
                plugin = String::from_utf8_lossy(reader.zero_ended()?).into_owned();
                salt = salt_of(&plugin, reader.0).to_vec();
                prove(&plugin, password, &salt)?
            }
            // The server remembers the password: a word of success follows.
            [1, 3] if plugin == "caching_sha2_password" => continue,
            [1, 4] if plugin == "caching_sha2_password" => {
                if !private {
                    let detail = "MySQL does not remember this password and wants it in the clear: \
                                  use TLS (ssl-mode=REQUIRED) or the server's Unix socket";
                    return Err(Error::new(Code::DatabaseUnavailable, detail));
                }
                [password.as_bytes(), &[0]].concat()
            }
            _ => return Err(unexpected("a step that the login does not have")),
        };
        conn.message().extend_from_slice(&reply);
        conn.end_message();
        conn.flush()?;
    }
}

fn unspoken(plugin: &str) -> Error {
    Error::new(Code::Unsupported, format!("MySQL asks for a login by {plugin:?}, which is not spoken here"))
}

/// The random bytes that a proof is about. What follows them is a zero for some plugins, and for none
/// is a zero at the end a sign of anything.
fn salt_of<'a>(plugin: &str, data: &'a [u8]) -> &'a [u8] {
    let length = if plugin == "client_ed25519" { 32 } else { 20 };
    &data[..length.min(data.len())]
}

fn prove(plugin: &str, password: &str, salt: &[u8]) -> Result<Vec<u8>> {
    let password = password.as_bytes();
    match plugin {
        "mysql_native_password" | "caching_sha2_password" if password.is_empty() => Ok(Vec::new()),
        "mysql_native_password" => Ok(native(password, salt)),
        "caching_sha2_password" => Ok(caching_sha2(password, salt)),
        "client_ed25519" => Ok(ed25519(password, salt)),
        // Who we are the server asks the system.
        "auth_socket" | "unix_socket" => Ok(Vec::new()),
        other => Err(unspoken(other)),
    }
}

/// SHA1(password) xor SHA1(salt, SHA1(SHA1(password)))
fn native(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, password);
    let twice = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
    let mut salted = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    salted.update(salt);
    salted.update(twice.as_ref());
    xor(once.as_ref(), salted.finish().as_ref())
}

/// SHA256(password) xor SHA256(SHA256(SHA256(password)), salt)
fn caching_sha2(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let once = digest(&SHA256, password);
    let twice = digest(&SHA256, once.as_ref());
    let mut salted = Context::new(&SHA256);
    salted.update(twice.as_ref());
    salted.update(salt);
    xor(once.as_ref(), salted.finish().as_ref())
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

/// An Ed25519 signature of the salt, whose key is the password itself: it may have any length, where
/// the standard has 32 bytes. <https://mariadb.com/kb/en/authentication-plugin-ed25519/>
fn ed25519(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let wide = |parts: &[&[u8]]| {
        let mut context = Context::new(&SHA512);
        for part in parts {
            context.update(part);
        }
        let mut out = [0; 64];
        out.copy_from_slice(context.finish().as_ref());
        out
    };
    let secret = wide(&[password]);
    let (low, prefix) = secret.split_at(32);
    let mut key = [0; 32];
    key.copy_from_slice(low);
    key[0] &= 0b1111_1000;
    key[31] &= 0b0011_1111;
    key[31] |= 0b0100_0000;
    let key = Scalar::from_bytes_mod_order(key);
    let public = EdwardsPoint::mul_base(&key).compress();
    let nonce = Scalar::from_bytes_mod_order_wide(&wide(&[prefix, salt]));
    let commitment = EdwardsPoint::mul_base(&nonce).compress();
    let challenge =
        Scalar::from_bytes_mod_order_wide(&wide(&[commitment.as_bytes(), public.as_bytes(), salt]));
    let answer = challenge * key + nonce;
    [commitment.to_bytes(), answer.to_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

    use super::*;

    #[test]
    fn the_server_can_undo_a_proof() {
        let salt = b"12345678901234567890";
        // What the server keeps: SHA1(SHA1(password)).
        let once = digest(&SHA1_FOR_LEGACY_USE_ONLY, b"secret");
        let kept = digest(&SHA1_FOR_LEGACY_USE_ONLY, once.as_ref());
        let mut salted = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        salted.update(salt);
        salted.update(kept.as_ref());
        assert_eq!(xor(&native(b"secret", salt), salted.finish().as_ref()), once.as_ref());
        // SHA256(password) xor SHA256(SHA256(SHA256(password)) + salt), by Python's hashlib.
        assert_eq!(
            caching_sha2(b"secret", salt),
            [
                0x51, 0xec, 0xd6, 0xde, 0xdb, 0xd3, 0x4d, 0x54, 0x45, 0xc0, 0xa1, 0x90, 0xd4, 0xf5, 0x1a,
                0xcf, 0x0d, 0x23, 0xb9, 0x4d, 0xb6, 0x6c, 0x91, 0xf3, 0xf7, 0x89, 0xfa, 0xa9, 0x19, 0x37,
                0x51, 0xcd
            ]
        );
    }

    #[test]
    fn a_salt_may_end_with_a_zero() {
        let data = [&[7; 31][..], &[0]].concat();
        assert_eq!(salt_of("client_ed25519", &data), data);
        assert_eq!(salt_of("mysql_native_password", &[&[7; 20][..], &[0]].concat()), [7; 20]);
        assert_eq!(salt_of("client_ed25519", &[1]), [1]);
    }

    #[test]
    fn a_password_of_32_bytes_signs_as_the_standard_does() {
        let (seed, salt) = (b"0123456789abcdef0123456789abcdef", [7; 32]);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
        let signature = ed25519(seed, &salt);
        assert_eq!(signature, pair.sign(&salt).as_ref());
        UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(&salt, &signature).unwrap();
    }
}
