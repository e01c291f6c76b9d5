//! The server's side of SCRAM (RFC 5802), without channel binding.
//!
//! ```text
//! client first:  n,[a=authzid],[m=..,]n=user,r=client nonce[,extensions]
//! server first:  r=client nonce + server nonce,s=salt,i=iterations
//! client final:  c=base64 of "n,[a=authzid],",r=both nonces[,extensions],p=proof
//! server final:  v=signature
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::sasl::SaslFailure;
use super::scram_credential::{ScramCredential, ScramMechanism};

/// After the server's first message: the proof is due.
pub(super) struct Challenged {
    mechanism: ScramMechanism,
    user: String,
    credential: ScramCredential,
    /// What `c` of the client's final message must be.
    channel: String,
    nonce: String,
    /// The client's first message without its header, and the server's: the proof is over them.
    auth_message: String,
}

/// Answers the client's first message with salt and iterations. `server_nonce` is random and free of commas.
pub(super) fn challenge(
    mechanism: ScramMechanism,
    message: &[u8],
    server_nonce: &str,
    credential_of: impl FnOnce(&str) -> Option<ScramCredential>,
) -> Result<(String, Challenged), SaslFailure> {
    let message = std::str::from_utf8(message).map_err(|_| SaslFailure::Credentials)?;
    let first = ClientFirst::parse(message).ok_or(SaslFailure::Credentials)?;
    let user = decoded_name(first.name).ok_or(SaslFailure::Credentials)?;
    let credential = credential_of(&user).ok_or(SaslFailure::Credentials)?;
    if let Some(authorization_id) = first.authorization_id
        && decoded_name(authorization_id).as_ref() != Some(&user)
    {
        return Err(SaslFailure::other_authorization_id());
    }
    if credential.iterations < ScramMechanism::MIN_ITERATIONS {
        return Err(SaslFailure::Credentials);
    }
    let nonce = format!("{}{server_nonce}", first.nonce);
    let salt = BASE64.encode(&credential.salt);
    let server_first = format!("r={nonce},s={salt},i={}", credential.iterations);
    let challenged = Challenged {
        mechanism,
        user,
        credential,
        channel: BASE64.encode(first.header),
        nonce,
        auth_message: format!("{},{server_first}", first.bare),
    };
    Ok((server_first, challenged))
}

impl Challenged {
    /// Checks the client's proof. The server's own, and who the client is.
    pub(super) fn verify(self, message: &[u8]) -> Result<(String, String), SaslFailure> {
        self.signature(message)
            .map(|signature| (format!("v={}", BASE64.encode(signature)), self.user))
            .ok_or(SaslFailure::Credentials)
    }

    /// `None` unless the client has proved that it knows the password.
    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let message = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let proof = BASE64.decode(proof).ok()?;
        let mut attributes = without_proof.split(',');
        let channel = attributes.next()?.strip_prefix("c=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        if channel != self.channel || nonce != self.nonce {
            return None;
        }
        let auth_message = format!("{},{without_proof}", self.auth_message);
        let mechanism = self.mechanism;
        let client_signature = mechanism.hmac(&self.credential.stored_key, auth_message.as_bytes());
        if proof.len() != client_signature.len() {
            return None;
        }
        let client_key: Vec<u8> = proof
            .iter()
            .zip(&client_signature)
            .map(|(proof, signature)| proof ^ signature)
            .collect();
        is_same_secret(&mechanism.hash(&client_key), &self.credential.stored_key)
            .then(|| mechanism.hmac(&self.credential.server_key, auth_message.as_bytes()))
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(super) fn is_same_secret(one: &[u8], other: &[u8]) -> bool {
    let differences = one
        .iter()
        .zip(other)
        .fold(0, |differences, (one, other)| differences | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

struct ClientFirst<'a> {
    /// `n,[a=authzid],`
    header: &'a str,
    authorization_id: Option<&'a str>,
    /// All that follows the header.
    bare: &'a str,
    name: &'a str,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(message: &'a str) -> Option<ClientFirst<'a>> {
        // `y` and `p` are about channel binding, which needs TLS.
        let (authorization_id, bare) = message.strip_prefix("n,")?.split_once(',')?;
        let header = message.strip_suffix(bare)?;
        let authorization_id = match authorization_id {
            "" => None,
            attribute => Some(attribute.strip_prefix("a=")?),
        };
        let mut attributes = bare.split(',').peekable();
        attributes.next_if(|attribute| attribute.starts_with("m="));
        let name = attributes.next()?.strip_prefix("n=")?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // Extensions are ignored, but for the one by which a name is a delegation token's.
        if attributes.any(|attribute| attribute == "tokenauth=true") {
            return None;
        }
        let printable = !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic());
        (!name.is_empty() && printable).then_some(ClientFirst {
            header,
            authorization_id,
            bare,
            name,
            nonce,
        })
    }
}

/// A name without its escapes: `=2C` is a comma, `=3D` an equals sign.
fn decoded_name(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut decoded = parts.next()?.to_owned();
    for part in parts {
        let (symbol, rest) = match part.split_at_checked(2)? {
            ("2C", rest) => (',', rest),
            ("3D", rest) => ('=', rest),
            _ => return None,
        };
        decoded.push(symbol);
        decoded.push_str(rest);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7677, section 3: user `user`, password `pencil`.
    const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    const SERVER_FIRST: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

    /// `Hi` of RFC 5802: what a client does with the password.
    fn salted(mechanism: ScramMechanism, password: &str, salt: &[u8], iterations: i32) -> Vec<u8> {
        let mut block = mechanism.hmac(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
        let mut result = block.clone();
        for _ in 1..iterations {
            block = mechanism.hmac(password.as_bytes(), &block);
            for (result, byte) in result.iter_mut().zip(&block) {
                *result ^= byte;
            }
        }
        result
    }

    fn credential(iterations: i32) -> ScramCredential {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let salted = salted(ScramMechanism::Sha256, "pencil", &salt, iterations);
        let (mechanism, salt) = (ScramMechanism::Sha256, salt.into());
        ScramCredential::from_salted_password(mechanism, &salted, salt, iterations)
    }

    fn challenged(message: &str) -> Result<(String, Challenged), SaslFailure> {
        let mechanism = ScramMechanism::Sha256;
        challenge(mechanism, message.as_bytes(), SERVER_NONCE, |user| {
            ["user", "a,b=c"].contains(&user).then(|| credential(4096))
        })
    }

    #[test]
    fn the_exchange_of_rfc_7677_succeeds() {
        let (server_first, challenged) = challenged(CLIENT_FIRST).unwrap();
        assert_eq!(server_first, SERVER_FIRST);
        let (server_final, user) = challenged.verify(CLIENT_FINAL.as_bytes()).unwrap();
        assert_eq!(
            (server_final.as_str(), user.as_str()),
            (SERVER_FINAL, "user")
        );
    }

    #[test]
    fn a_proof_of_another_password_or_exchange_is_refused() {
        for (from, to) in [
            ("p=dHzb", "p=eHzb"),
            ("c=biws", "c=eSws"),
            ("r=rOpr", "r=xOpr"),
            (",p=", ",p"),
            ("p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "p="),
        ] {
            let (_, challenged) = challenged(CLIENT_FIRST).unwrap();
            let message = CLIENT_FINAL.replace(from, to);
            assert_ne!(message, CLIENT_FINAL);
            let verified = challenged.verify(message.as_bytes());
            assert_eq!(verified.unwrap_err(), SaslFailure::Credentials);
        }
    }

    #[test]
    fn malformed_first_messages_and_unknown_users_are_refused() {
        for message in [
            "",
            "n,,",
            "n,,n=user",
            "n,,n=,r=abc",
            "n,,n=user,r=",
            "y,,n=user,r=abc",
            "n,x=1,n=user,r=abc",
            "n,,n=us=er,r=abc",
            "n,,n=us=2,r=abc",
            "n,,n=nobody,r=abc",
            "n,,n=user,r=abc,tokenauth=true",
        ] {
            assert_eq!(challenged(message).err(), Some(SaslFailure::Credentials));
        }
    }

    #[test]
    fn names_are_unescaped_and_an_authorization_id_must_be_the_users() {
        let (_, exchange) = challenged("n,a=a=2Cb=3Dc,n=a=2Cb=3Dc,r=abc").unwrap();
        assert_eq!(exchange.user, "a,b=c");
        let (_, exchange) = challenged("n,,m=x,n=user,r=abc,ext=1").unwrap();
        assert_eq!(exchange.user, "user");
        assert_eq!(
            challenged("n,a=admin,n=user,r=abc").err(),
            Some(SaslFailure::other_authorization_id())
        );
    }

    #[test]
    fn a_credential_of_too_few_iterations_does_not_serve() {
        let first = CLIENT_FIRST.as_bytes();
        let weak = challenge(ScramMechanism::Sha256, first, SERVER_NONCE, |_| {
            Some(credential(1))
        });
        assert_eq!(weak.err(), Some(SaslFailure::Credentials));
    }
}
