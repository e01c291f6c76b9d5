//! The six events, one topic each, keyed by the order's id.
//!
//! Owns their JSON and what must hold of it. Fields unknown here are passed over, so that events may grow.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Context, ContextError, is_identifier};

const MOST_ITEMS: usize = 1000;
const LONGEST_NAME: usize = 200;

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderItem {
    /// The product.
    pub product_id: String,
    /// Its name when it was ordered.
    pub name: String,
    /// How many pieces.
    pub quantity: u32,
    /// The price of one piece when it was ordered.
    pub price_cents: i64,
}

/// The lines of an order.
pub type Items = Vec<OrderItem>;

/// A customer placed an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderReceived {
    /// The order.
    pub order_id: String,
    /// Who placed it.
    pub customer_id: String,
    /// What was ordered.
    pub items: Items,
    /// The sum of the lines.
    pub total_cents: i64,
    /// The last four digits of the card to charge; the account alone without one.
    #[serde(default)]
    pub card_last4: Option<String>,
    /// When it was placed.
    pub created_at_ms: i64,
}

/// The customer's account was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {
    /// The order.
    pub order_id: String,
    /// Who was charged.
    pub customer_id: String,
    /// What for.
    pub items: Items,
    /// How much.
    pub total_cents: i64,
    /// The payment.
    pub payment_id: String,
}

/// The order will not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderRejected {
    /// The order.
    pub order_id: String,
    /// Who placed it.
    pub customer_id: String,
    /// What would have been charged.
    pub total_cents: i64,
    /// Why, such as `card_declined`.
    pub reason: String,
}

/// The customer was told by mail; the order can be driven out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderProcessed {
    /// The order.
    pub order_id: String,
    /// Who was told.
    pub customer_id: String,
    /// The mail's Message-ID.
    pub message_id: String,
}

/// A driver is on the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverAssigned {
    /// The order.
    pub order_id: String,
    /// Whom it goes to.
    pub customer_id: String,
    /// Who brings it.
    pub driver: String,
    /// When it should be there.
    pub due_at_ms: i64,
}

/// The order is with the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderDelivered {
    /// The order.
    pub order_id: String,
    /// Who has it.
    pub customer_id: String,
    /// Who brought it.
    pub driver: String,
    /// When.
    pub delivered_at_ms: i64,
}

/// Where an event goes; one topic per kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// Carries [`OrderReceived`].
    OrderReceived,
    /// Carries [`OrderConfirmed`].
    OrderConfirmed,
    /// Carries [`OrderRejected`].
    OrderRejected,
    /// Carries [`OrderProcessed`].
    OrderProcessed,
    /// Carries [`DriverAssigned`].
    DriverAssigned,
    /// Carries [`OrderDelivered`].
    OrderDelivered,
}

impl Topic {
    /// All topics, in the order an order meets them.
    pub const ALL: [Self; 6] = [
        Self::OrderReceived,
        Self::OrderConfirmed,
        Self::OrderRejected,
        Self::OrderProcessed,
        Self::DriverAssigned,
        Self::OrderDelivered,
    ];

    /// The topic's name, before any prefix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderReceived => "order_received",
            Self::OrderConfirmed => "order_confirmed",
            Self::OrderRejected => "order_rejected",
            Self::OrderProcessed => "order_processed",
            Self::DriverAssigned => "driver_assigned",
            Self::OrderDelivered => "order_delivered",
        }
    }

    /// `ce_type` of its events.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::OrderReceived => "headwater.ordering.order_received.v1",
            Self::OrderConfirmed => "headwater.ordering.order_confirmed.v1",
            Self::OrderRejected => "headwater.ordering.order_rejected.v1",
            Self::OrderProcessed => "headwater.ordering.order_processed.v1",
            Self::DriverAssigned => "headwater.ordering.driver_assigned.v1",
            Self::OrderDelivered => "headwater.ordering.order_delivered.v1",
        }
    }

    /// The topic of this name, before any prefix.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

/// Any event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant holds the type of its name")]
pub enum Event {
    OrderReceived(OrderReceived),
    OrderConfirmed(OrderConfirmed),
    OrderRejected(OrderRejected),
    OrderProcessed(OrderProcessed),
    DriverAssigned(DriverAssigned),
    OrderDelivered(OrderDelivered),
}

/// A record that is no event of its topic: poison to whoever would act on it.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// What should travel beside it.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A record without a value.
    #[error("the record has no value")]
    NoValue,
    /// A value that is not the event's JSON.
    #[error("the value is not the JSON of this event: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON that says something impossible.
    #[error("{0}")]
    Impossible(String),
}

impl Event {
    /// Where it goes.
    pub const fn topic(&self) -> Topic {
        match self {
            Self::OrderReceived(_) => Topic::OrderReceived,
            Self::OrderConfirmed(_) => Topic::OrderConfirmed,
            Self::OrderRejected(_) => Topic::OrderRejected,
            Self::OrderProcessed(_) => Topic::OrderProcessed,
            Self::DriverAssigned(_) => Topic::DriverAssigned,
            Self::OrderDelivered(_) => Topic::OrderDelivered,
        }
    }

    /// The order it is about: the record's key.
    pub fn order_id(&self) -> &str {
        match self {
            Self::OrderReceived(event) => &event.order_id,
            Self::OrderConfirmed(event) => &event.order_id,
            Self::OrderRejected(event) => &event.order_id,
            Self::OrderProcessed(event) => &event.order_id,
            Self::DriverAssigned(event) => &event.order_id,
            Self::OrderDelivered(event) => &event.order_id,
        }
    }

    /// Whose order it is.
    pub fn customer_id(&self) -> &str {
        match self {
            Self::OrderReceived(event) => &event.customer_id,
            Self::OrderConfirmed(event) => &event.customer_id,
            Self::OrderRejected(event) => &event.customer_id,
            Self::OrderProcessed(event) => &event.customer_id,
            Self::DriverAssigned(event) => &event.customer_id,
            Self::OrderDelivered(event) => &event.customer_id,
        }
    }

    /// The record's value.
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::OrderReceived(event) => serde_json::to_string(event),
            Self::OrderConfirmed(event) => serde_json::to_string(event),
            Self::OrderRejected(event) => serde_json::to_string(event),
            Self::OrderProcessed(event) => serde_json::to_string(event),
            Self::DriverAssigned(event) => serde_json::to_string(event),
            Self::OrderDelivered(event) => serde_json::to_string(event),
        };
        json.expect("structs of strings and numbers always have a JSON")
    }

    /// Reads a record of this topic and checks all that a service relies on.
    pub fn decode(
        topic: Topic,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(String, Vec<u8>)],
        timestamp_ms: i64,
    ) -> Result<(Self, Context), DecodeError> {
        let context = Context::from_headers(headers, topic.event_type(), timestamp_ms)?;
        let value = value.ok_or(DecodeError::NoValue)?;
        let event = match topic {
            Topic::OrderReceived => Self::OrderReceived(read(value)?),
            Topic::OrderConfirmed => Self::OrderConfirmed(read(value)?),
            Topic::OrderRejected => Self::OrderRejected(read(value)?),
            Topic::OrderProcessed => Self::OrderProcessed(read(value)?),
            Topic::DriverAssigned => Self::DriverAssigned(read(value)?),
            Topic::OrderDelivered => Self::OrderDelivered(read(value)?),
        };
        event
            .check(&context, key)
            .map_err(DecodeError::Impossible)?;
        Ok((event, context))
    }

    fn check(&self, context: &Context, key: Option<&[u8]>) -> Result<(), String> {
        let order_id = self.order_id();
        if !is_identifier(order_id) {
            return Err(format!("order_id {:?} is not an id", shortened(order_id)));
        }
        if !is_identifier(self.customer_id()) {
            return Err(format!(
                "customer_id {:?} is not an id",
                shortened(self.customer_id())
            ));
        }
        if context.subject != order_id {
            return Err(format!(
                "ce_subject is {:?}, the event is about {order_id:?}",
                context.subject
            ));
        }
        if key != Some(order_id.as_bytes()) {
            return Err(format!(
                "the record's key is not the order's id {order_id:?}"
            ));
        }
        match self {
            Self::OrderReceived(event) => check_items(&event.items, event.total_cents),
            Self::OrderConfirmed(event) => check_items(&event.items, event.total_cents),
            Self::OrderRejected(event) => check_text("reason", &event.reason),
            Self::OrderProcessed(event) => check_text("message_id", &event.message_id),
            Self::DriverAssigned(event) => check_text("driver", &event.driver),
            Self::OrderDelivered(event) => check_text("driver", &event.driver),
        }
    }
}

fn read<T: DeserializeOwned>(value: &[u8]) -> Result<T, DecodeError> {
    Ok(serde_json::from_slice(value)?)
}

fn check_text(name: &str, text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(format!(
            "{name} must have 1 to {LONGEST_NAME} bytes without control characters"
        ));
    }
    Ok(())
}

fn check_items(items: &[OrderItem], total_cents: i64) -> Result<(), String> {
    if items.is_empty() || items.len() > MOST_ITEMS {
        return Err(format!(
            "an order has 1 to {MOST_ITEMS} items, not {}",
            items.len()
        ));
    }
    let mut sum = 0_i64;
    for item in items {
        check_text("product_id", &item.product_id)?;
        check_text("name", &item.name)?;
        if item.quantity == 0 || item.price_cents < 0 {
            return Err(format!(
                "item {:?} has quantity {} and price {}",
                item.product_id, item.quantity, item.price_cents
            ));
        }
        sum = item
            .price_cents
            .checked_mul(i64::from(item.quantity))
            .and_then(|line| sum.checked_add(line))
            .ok_or("the items cost more than can be counted")?;
    }
    if sum == total_cents {
        Ok(())
    } else {
        Err(format!(
            "total_cents is {total_cents}, the items cost {sum}"
        ))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::{Event, OrderItem, OrderReceived, Topic};
    use crate::contracts::Context;
    use crate::service::Service;

    fn received() -> (Event, Context) {
        let item = OrderItem {
            product_id: "p1".into(),
            name: "Tea".into(),
            quantity: 2,
            price_cents: 350,
        };
        let event = Event::OrderReceived(OrderReceived {
            order_id: "o-1".into(),
            customer_id: "c-1".into(),
            items: vec![item],
            total_cents: 700,
            card_last4: None,
            created_at_ms: 5,
        });
        (event, Context::start(Service::Orders, "o-1"))
    }

    fn headers(context: &Context, topic: Topic) -> Vec<(String, Vec<u8>)> {
        context
            .headers(topic.event_type())
            .into_iter()
            .map(|(key, value)| (key, value.into_bytes()))
            .collect()
    }

    #[test]
    fn an_event_survives_the_wire() {
        let (event, context) = received();
        let headers = headers(&context, Topic::OrderReceived);
        let json = event.to_json();
        let decoded = Event::decode(
            Topic::OrderReceived,
            Some(b"o-1"),
            Some(json.as_bytes()),
            &headers,
            0,
        )
        .unwrap();
        assert_eq!(decoded, (event, context));
    }

    #[test]
    fn a_caused_event_stays_in_the_trace_and_names_its_cause() {
        let (_, context) = received();
        let caused = context.caused(Service::Transactions);
        assert_eq!(caused.correlation_id, context.correlation_id);
        assert_eq!(caused.causation_id.as_deref(), Some(context.id.as_str()));
        assert_eq!(
            caused.traceparent.trace_id(),
            context.traceparent.trace_id()
        );
        assert_ne!(caused.traceparent, context.traceparent);
        assert_eq!(caused.service(), "transactions");
    }

    #[test]
    fn fields_of_a_later_version_are_passed_over() {
        let (event, context) = received();
        let mut json: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        json["gift_wrap"] = serde_json::json!({"paper": "blue"});
        let headers = headers(&context, Topic::OrderReceived);
        let bytes = json.to_string().into_bytes();
        let (decoded, _) = Event::decode(
            Topic::OrderReceived,
            Some(b"o-1"),
            Some(&bytes),
            &headers,
            0,
        )
        .unwrap();
        assert_eq!(decoded, event);
    }

    #[test]
    fn poison_is_told_apart() {
        let (event, context) = received();
        let good = headers(&context, Topic::OrderReceived);
        let json = event.to_json();
        let reason = |key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(String, Vec<u8>)]| {
            Event::decode(Topic::OrderReceived, key, value, headers, 0)
                .unwrap_err()
                .to_string()
        };
        let key: Option<&[u8]> = Some(b"o-1");
        assert!(reason(key, None, &good).contains("no value"));
        assert!(reason(key, Some(b"\xff\xfe"), &good).contains("not the JSON"));
        assert!(reason(key, Some(b"{}"), &good).contains("missing field"));
        assert!(reason(None, Some(json.as_bytes()), &good).contains("key"));
        assert!(reason(key, Some(json.as_bytes()), &[]).contains("ce_specversion is missing"));
        let nested = format!("{{\"later\":{}", "[".repeat(100_000));
        assert!(reason(key, Some(nested.as_bytes()), &good).contains("not the JSON"));
        let wrong_total = json.replace("700", "701");
        assert!(reason(key, Some(wrong_total.as_bytes()), &good).contains("the items cost 700"));
        let overflow = json.replace("350", "9223372036854775807");
        assert!(reason(key, Some(overflow.as_bytes()), &good).contains("more than can be counted"));
        let wrong_type = headers(&context, Topic::OrderDelivered);
        assert!(
            reason(key, Some(json.as_bytes()), &wrong_type).contains("not the type of this topic")
        );
        let mut bad_id = good.clone();
        bad_id
            .iter_mut()
            .find(|(name, _)| name == "ce_id")
            .unwrap()
            .1 = b"a\r\nBcc: x".to_vec();
        assert!(reason(key, Some(json.as_bytes()), &bad_id).contains("ce_id"));
    }

    #[test]
    fn topics_are_found_by_their_names() {
        for topic in Topic::ALL {
            assert_eq!(Topic::named(topic.name()), Some(topic));
            assert!(topic.event_type().contains(topic.name()));
        }
        assert_eq!(Topic::named("orders"), None);
    }
}
