//! What a mail to a customer says.

use std::fmt::Write as _;

use crate::contracts::{Context, Event, OrderConfirmed};

/// One mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mail {
    /// Made from the event's id, so that a repeated mail can be told.
    pub(super) message_id: String,
    pub(super) recipient: String,
    pub(super) subject: String,
    pub(super) body: String,
}

impl Mail {
    /// The mail about this event, if it is one that customers are told of.
    pub(super) fn about(event: &Event, context: &Context) -> Option<Self> {
        let order_id = event.order_id();
        let (subject, body) = match event {
            Event::OrderConfirmed(order) => (
                format!("Your order {order_id} is confirmed"),
                receipt(order),
            ),
            Event::OrderRejected(order) => (
                format!("Your order {order_id} could not be carried out"),
                format!(
                    "We could not charge {} for your order: {}.\nNothing was charged.\n",
                    money(order.total_cents),
                    order.reason.replace('_', " ")
                ),
            ),
            Event::OrderDelivered(order) => (
                format!("Your order {order_id} is delivered"),
                format!("{} has brought your order. Enjoy it!\n", order.driver),
            ),
            _ => return None,
        };
        Some(Self {
            message_id: format!(
                "<{}@headwater.example>",
                context.id.trim_matches('.').replace("..", ".-.")
            ),
            recipient: format!("{}@customers.example", event.customer_id()),
            subject,
            body,
        })
    }
}

fn receipt(order: &OrderConfirmed) -> String {
    let mut text = String::from("Thank you for your order.\n\n");
    for item in &order.items {
        let line = item.price_cents.saturating_mul(i64::from(item.quantity));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:>3} x {}: {}",
            item.quantity,
            item.name,
            money(line)
        );
    }
    let _ = writeln!(
        text,
        "\nCharged: {}\nPayment: {}",
        money(order.total_cents),
        order.payment_id
    );
    text
}

fn money(cents: i64) -> String {
    format!(
        "{}{}.{:02}",
        if cents < 0 { "-" } else { "" },
        cents.unsigned_abs() / 100,
        cents.unsigned_abs() % 100
    )
}

#[cfg(test)]
mod tests {
    use super::{Mail, money};
    use crate::contracts::{Context, Event, OrderProcessed, OrderRejected};
    use crate::service::Service;

    #[test]
    fn the_message_id_is_the_events() {
        let event = Event::OrderRejected(OrderRejected {
            order_id: "o-1".into(),
            customer_id: "c-1".into(),
            total_cents: 1205,
            reason: "card_declined".into(),
        });
        let context = Context::start(Service::Transactions, "o-1");
        let mail = Mail::about(&event, &context).unwrap();
        assert_eq!(
            mail.message_id,
            format!("<{}@headwater.example>", context.id)
        );
        assert_eq!(mail.recipient, "c-1@customers.example");
        assert!(
            mail.body.contains("12.05") && mail.body.contains("card declined"),
            "{}",
            mail.body
        );
    }

    #[test]
    fn customers_are_not_told_of_every_event() {
        let event = Event::OrderProcessed(OrderProcessed {
            order_id: "o-1".into(),
            customer_id: "c-1".into(),
            message_id: "m".into(),
        });
        assert_eq!(
            Mail::about(&event, &Context::start(Service::Emails, "o-1")),
            None
        );
    }

    #[test]
    fn money_has_two_decimals() {
        assert_eq!(
            [money(5), money(120), money(-199)],
            ["0.05", "1.20", "-1.99"]
        );
    }
}
