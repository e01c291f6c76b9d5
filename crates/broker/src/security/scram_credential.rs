//! What the store keeps of a SCRAM password: enough to check a proof, not to make one (RFC 5802).

use std::fmt;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// The hash that a mechanism is built on, numbered as in requests and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i8)]
pub(crate) enum ScramMechanism {
    Sha256 = 1,
    Sha512 = 2,
}

impl ScramMechanism {
    pub(crate) const ALL: [ScramMechanism; 2] = [Self::Sha256, Self::Sha512];
    /// Fewer iterations are refused, whoever asks for them.
    pub(crate) const MIN_ITERATIONS: i32 = 4096;
    /// More cost clients too much.
    pub(crate) const MAX_ITERATIONS: i32 = 16_384;

    /// The mechanism of that number.
    pub(crate) fn from_wire(number: i8) -> Option<ScramMechanism> {
        Self::ALL
            .into_iter()
            .find(|mechanism| *mechanism as i8 == number)
    }

    /// HMAC of `message` under `key`.
    pub(super) fn hmac(self, key: &[u8], message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => keyed::<Hmac<Sha256>>(key, message),
            Self::Sha512 => keyed::<Hmac<Sha512>>(key, message),
        }
    }

    pub(super) fn hash(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

fn keyed<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// A user's credential for one mechanism.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ScramCredential {
    pub(crate) salt: Bytes,
    pub(crate) stored_key: Bytes,
    pub(crate) server_key: Bytes,
    pub(crate) iterations: i32,
}

impl ScramCredential {
    /// From what a client makes of the password: `Hi(password, salt, iterations)`.
    pub(crate) fn from_salted_password(
        mechanism: ScramMechanism,
        salted_password: &[u8],
        salt: Bytes,
        iterations: i32,
    ) -> ScramCredential {
        let client_key = mechanism.hmac(salted_password, b"Client Key");
        ScramCredential {
            salt,
            stored_key: mechanism.hash(&client_key).into(),
            server_key: mechanism.hmac(salted_password, b"Server Key").into(),
            iterations,
        }
    }
}

impl fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing of it belongs into a log.
        f.write_str("ScramCredential")
    }
}
