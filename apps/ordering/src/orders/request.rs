//! What a customer asks for, checked against the catalogue.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::catalogue;
use crate::contracts::{Items, OrderItem, is_identifier};

const MOST_LINES: usize = 50;
const MOST_PIECES: u32 = 99;

/// The body of `POST /orders`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderRequest {
    customer_id: String,
    items: Vec<Line>,
    #[serde(default)]
    card: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    product_id: String,
    quantity: u32,
}

/// A request that can be carried out. Of the card only the last four digits are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedOrder {
    pub(super) customer_id: String,
    pub(super) items: Items,
    pub(super) total_cents: i64,
    pub(super) card_last4: Option<String>,
    /// What tells a repeated request from another one.
    pub(super) fingerprint: String,
}

impl OrderRequest {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            Problem::bad_request(
                format!("The body is not an order: {error}."),
                r#"Send {"customer_id": "c1", "items": [{"product_id": "p001", "quantity": 2}], "card": "4242424242424242"}; card is optional."#,
            )
        })
    }

    pub(super) fn check(self) -> Result<CheckedOrder, Problem> {
        if !is_identifier(&self.customer_id) {
            return Err(Problem::invalid_order(
                "The customer_id is not an id.",
                "Use 1 to 64 letters, digits, '-', '_' or '.'.",
            ));
        }
        if self.items.is_empty() || self.items.len() > MOST_LINES {
            return Err(Problem::invalid_order(
                format!("The order has {} items.", self.items.len()),
                format!("Order 1 to {MOST_LINES} items at a time."),
            ));
        }
        let items = self
            .items
            .iter()
            .map(Line::check)
            .collect::<Result<Items, _>>()?;
        let total_cents = items
            .iter()
            .map(|item| item.price_cents * i64::from(item.quantity))
            .sum();
        let card_last4 = self.card.as_deref().map(last4).transpose()?;
        let fingerprint = serde_json::json!([self.customer_id, self.items, card_last4]).to_string();
        Ok(CheckedOrder {
            customer_id: self.customer_id,
            items,
            total_cents,
            card_last4,
            fingerprint,
        })
    }
}

impl Line {
    fn check(&self) -> Result<OrderItem, Problem> {
        let Some(product) = catalogue::product(&self.product_id) else {
            return Err(Problem::invalid_order(
                format!(
                    "There is no product {:?}.",
                    self.product_id.chars().take(80).collect::<String>()
                ),
                "Take the ids from GET /products.",
            ));
        };
        if !(1..=MOST_PIECES).contains(&self.quantity) {
            return Err(Problem::invalid_order(
                format!("The quantity of {} is {}.", product.id, self.quantity),
                format!("Order 1 to {MOST_PIECES} pieces of a product."),
            ));
        }
        Ok(OrderItem {
            product_id: product.id.clone(),
            name: product.name.clone(),
            quantity: self.quantity,
            price_cents: product.price_cents,
        })
    }
}

fn last4(card: &str) -> Result<String, Problem> {
    let digits: String = card.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if (12..=19).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(digits[digits.len() - 4..].to_owned())
    } else {
        Err(Problem::invalid_order(
            "The card is not a card number.",
            "Send 12 to 19 digits, or no card at all.",
        ))
    }
}
