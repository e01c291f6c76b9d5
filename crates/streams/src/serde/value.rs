//! The codec that a value has where nobody names one: in stores, and on the way between two operators.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Codec, Json};

/// A type whose values can be stored, and sent through a repartition topic.
///
/// Every type that `serde` can write and read is one, as JSON. A type that it cannot may implement this itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored or sent through a topic of the application",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or implement `Value` with a codec of its own"
)]
pub trait Value: Send + Sized + 'static {
    /// The codec of values of this type.
    fn codec() -> Codec<Self>;
}

impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {
    fn codec() -> Codec<Self> {
        Codec::Static(&Json)
    }
}
