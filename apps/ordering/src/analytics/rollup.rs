//! Sums over a batch of facts, written in its transaction: per minute, per item, per state.

use std::collections::{BTreeMap, HashMap};

use sqlx::SqliteConnection;

use crate::contracts::OrderItem;
use crate::database::count;
use crate::order_state::OrderState;

const MINUTE_MS: i64 = 60_000;

/// Sums over a batch.
#[derive(Debug, Default)]
pub(super) struct Rollup {
    pub(super) doubled_events: i64,
    pub(super) recreated_partitions: i64,
    received: i64,
    delivered: i64,
    revenue_cents: i64,
    minutes: BTreeMap<i64, Minute>,
    items: HashMap<String, Item>,
    states: HashMap<OrderState, i64>,
}

#[derive(Debug, Default)]
struct Minute {
    orders: i64,
    delivered: i64,
    rejected: i64,
    revenue_cents: i64,
}

#[derive(Debug, Default)]
struct Item {
    name: String,
    quantity: i64,
    revenue_cents: i64,
}

impl Rollup {
    pub(super) fn received(&mut self, at_ms: i64) {
        self.received += 1;
        self.minute(at_ms).orders += 1;
    }

    pub(super) fn rejected(&mut self, at_ms: i64) {
        self.minute(at_ms).rejected += 1;
    }

    pub(super) fn delivered(&mut self, at_ms: i64) {
        self.delivered += 1;
        self.minute(at_ms).delivered += 1;
    }

    pub(super) fn sold(&mut self, at_ms: i64, total_cents: i64, items: &[OrderItem]) {
        self.revenue_cents = self.revenue_cents.saturating_add(total_cents);
        let minute = self.minute(at_ms);
        minute.revenue_cents = minute.revenue_cents.saturating_add(total_cents);
        for sold in items {
            let item = self.items.entry(sold.product_id.clone()).or_default();
            item.name.clone_from(&sold.name);
            item.quantity += i64::from(sold.quantity);
            let revenue = sold.price_cents.saturating_mul(i64::from(sold.quantity));
            item.revenue_cents = item.revenue_cents.saturating_add(revenue);
        }
    }

    pub(super) fn entered(&mut self, state: OrderState) {
        *self.states.entry(state).or_default() += 1;
    }

    pub(super) fn left(&mut self, state: OrderState) {
        *self.states.entry(state).or_default() -= 1;
    }

    fn minute(&mut self, at_ms: i64) -> &mut Minute {
        let minute_ms = at_ms.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
        self.minutes.entry(minute_ms).or_default()
    }

    /// Adds the sums to what the database has.
    pub(super) async fn write(&self, connection: &mut SqliteConnection) -> sqlx::Result<()> {
        for (minute_ms, minute) in &self.minutes {
            sqlx::query(
                "INSERT INTO minutes (minute_ms, orders, delivered, rejected, revenue_cents) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (minute_ms) DO UPDATE SET orders = orders + ?2, delivered = delivered + ?3, \
                 rejected = rejected + ?4, revenue_cents = revenue_cents + ?5",
            )
            .bind(minute_ms)
            .bind(minute.orders)
            .bind(minute.delivered)
            .bind(minute.rejected)
            .bind(minute.revenue_cents)
            .execute(&mut *connection)
            .await?;
        }
        for (product_id, item) in &self.items {
            sqlx::query(
                "INSERT INTO items (product_id, name, quantity, revenue_cents) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (product_id) DO UPDATE SET name = ?2, quantity = quantity + ?3, \
                 revenue_cents = revenue_cents + ?4",
            )
            .bind(product_id)
            .bind(&item.name)
            .bind(item.quantity)
            .bind(item.revenue_cents)
            .execute(&mut *connection)
            .await?;
        }
        for (state, change) in self.states.iter().filter(|(_, change)| **change != 0) {
            sqlx::query(
                "INSERT INTO state_counts (state, orders) VALUES (?1, ?2) \
                 ON CONFLICT (state) DO UPDATE SET orders = orders + ?2",
            )
            .bind(state.name())
            .bind(change)
            .execute(&mut *connection)
            .await?;
        }
        let totals = [
            ("received", self.received),
            ("delivered", self.delivered),
            ("revenue_cents", self.revenue_cents),
            ("doubled_events", self.doubled_events),
            ("recreated_partitions", self.recreated_partitions),
        ];
        for (name, by) in totals.into_iter().filter(|(_, by)| *by != 0) {
            count(connection, name, by).await?;
        }
        Ok(())
    }
}
