//! A schema registry in the test's own process: what the client needs of Confluent's REST interface, and its faults.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::{Registry, RegistryConfig, Schema};

/// Who vouches for the certificate of [`FakeRegistry::start_with_tls`].
pub(crate) const AUTHORITY: &[u8] = include_bytes!("fake/authority.pem");

/// That certificate, for 127.0.0.1, and its key: made for these tests and used nowhere else.
const CERTIFICATE: &[u8] = include_bytes!("fake/registry.pem");

/// A client's certificate that [`FakeRegistry::start_with_client_certificates`] accepts, and its key.
pub(crate) const CLIENT: &[u8] = include_bytes!("fake/client.pem");

/// A connection, with or without TLS.
trait Connection: Read + Write + Send {}

impl<T: Read + Write + Send> Connection for T {}

/// What to do with a request instead of answering it.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// Answer this.
    Answer(u16, &'static str),
    /// Close the connection.
    HangUp,
    /// Never answer, and keep the connection.
    Silence,
}

/// One request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Method and path, as `GET /schemas/ids/1`.
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

#[derive(Default)]
struct State {
    schemas: Vec<Schema>,
    subjects: HashMap<String, Vec<u32>>,
    faults: VecDeque<Fault>,
    requests: Vec<Request>,
    silent: Vec<Box<dyn Connection>>,
    stopping: bool,
}

/// A registry on a port of its own, until it is dropped. Ids count from 1.
pub(crate) struct FakeRegistry {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    scheme: &'static str,
    server: Option<JoinHandle<()>>,
}

impl FakeRegistry {
    pub(crate) fn start() -> Self {
        Self::serve("http", |stream| Box::new(stream))
    }

    pub(crate) fn start_with_tls() -> Self {
        Self::serve_tls(|_| WebPkiClientVerifier::no_client_auth())
    }

    /// With TLS, and it asks for [`CLIENT`].
    pub(crate) fn start_with_client_certificates() -> Self {
        Self::serve_tls(|provider| {
            let authority =
                CertificateDer::from_pem_slice(include_bytes!("fake/client_authority.pem"));
            let mut roots = RootCertStore::empty();
            roots
                .add(authority.expect("a certificate"))
                .expect("an authority");
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .expect("a verifier")
        })
    }

    fn serve_tls(clients: impl FnOnce(Arc<CryptoProvider>) -> Arc<dyn ClientCertVerifier>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(CERTIFICATE).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients(provider))
            .with_single_cert(vec![certificate], key)
            .expect("the key is the certificate's");
        let config = Arc::new(config);
        Self::serve("https", move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            Box::new(StreamOwned::new(connection, stream))
        })
    }

    fn serve(
        scheme: &'static str,
        wrap: impl Fn(TcpStream) -> Box<dyn Connection> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::<Mutex<State>>::default();
        let served = Arc::clone(&state);
        let serve = move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                if served.lock().expect("not poisoned").stopping {
                    return;
                }
                // A client that goes away in the middle of it is part of the tests.
                let _ = answer(wrap(stream), &served);
            }
        };
        Self {
            state,
            address,
            scheme,
            server: Some(thread::spawn(serve)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn client(&self) -> Registry {
        RegistryConfig::new(&self.url())
            .build()
            .expect("a registry")
    }

    /// Registers a schema, as somebody else would.
    pub(crate) fn add(&self, subject: &str, schema: Schema) -> u32 {
        self.state().register(subject, schema)
    }

    /// The next requests meet these, one each.
    pub(crate) fn faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state().requests)
    }

    /// The first lines of the requests since the last call.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests()
            .into_iter()
            .map(|request| request.line)
            .collect()
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.state().stopping = true;
        // Wakes the server, which sees that it is to stop.
        let _ = TcpStream::connect(self.address);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

impl State {
    fn id(&self, schema: &Schema) -> Option<u32> {
        let index = self.schemas.iter().position(|known| known == schema)?;
        Some(index as u32 + 1)
    }

    fn register(&mut self, subject: &str, schema: Schema) -> u32 {
        let id = self.id(&schema).unwrap_or_else(|| {
            self.schemas.push(schema);
            self.schemas.len() as u32
        });
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        if !versions.contains(&id) {
            versions.push(id);
        }
        id
    }

    fn handle(&mut self, line: &str, body: &str) -> (u16, Value) {
        let not_found =
            |code: u32, message: &str| (404, json!({"error_code": code, "message": message}));
        let schema = || serde_json::from_str::<Schema>(body).expect("a schema");
        let parts: Vec<_> = line
            .split(['/', ' '])
            .filter(|part| !part.is_empty())
            .collect();
        match parts[..] {
            ["GET", "schemas", "ids", id] => {
                let id: usize = id.parse().expect("an id");
                match self.schemas.get(id.wrapping_sub(1)) {
                    Some(schema) => (200, json!(schema)),
                    None => not_found(40403, "Schema not found"),
                }
            }
            ["POST", "subjects", subject, "versions"] => {
                (200, json!({"id": self.register(subject, schema())}))
            }
            ["POST", "subjects", subject] => match (self.subjects.get(subject), self.id(&schema()))
            {
                (Some(versions), Some(id)) if versions.contains(&id) => {
                    (200, json!({"id": id, "subject": subject}))
                }
                (Some(_), _) => not_found(40403, "Schema not found"),
                (None, _) => not_found(40401, "Subject not found"),
            },
            ["GET", "subjects", subject, "versions", version] => {
                let ids = self
                    .subjects
                    .get(subject)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let id = match version.parse::<usize>() {
                    Ok(version) => ids.get(version.wrapping_sub(1)),
                    Err(_) => ids.last(),
                };
                match id.and_then(|id| Some((id, self.schemas.get(*id as usize - 1)?))) {
                    Some((id, schema)) => {
                        let mut answer = json!(schema);
                        answer["id"] = json!(id);
                        (200, answer)
                    }
                    None => not_found(40401, "Subject not found"),
                }
            }
            _ => not_found(404, "HTTP 404 Not Found"),
        }
    }
}

/// Reads one request and answers it.
fn answer(stream: Box<dyn Connection>, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        match header.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().expect("a length");
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.trim().to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).expect("text");
    let mut state = state.lock().expect("not poisoned");
    state.requests.push(Request {
        line: line.clone(),
        authorization,
        body: body.clone(),
    });
    let (status, answer) = match state.faults.pop_front() {
        Some(Fault::HangUp) => return Ok(()),
        Some(Fault::Silence) => {
            state.silent.push(reader.into_inner());
            return Ok(());
        }
        Some(Fault::Answer(status, answer)) => (status, answer.to_owned()),
        None => {
            let (status, answer) = state.handle(&line, &body);
            (status, answer.to_string())
        }
    };
    let length = answer.len();
    let head =
        format!("HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let stream = reader.get_mut();
    stream.write_all(format!("{head}{answer}").as_bytes())?;
    stream.flush()
}
