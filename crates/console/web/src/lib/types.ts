/** The shapes of the server's JSON. */

export type OrderState = 'received' | 'confirmed' | 'rejected' | 'processed' | 'assigned' | 'delivered';

export interface StateCount { state: OrderState; count: number }
export interface MinuteRevenue { minute_ms: number; revenue_cents: number; orders: number }
export interface TopItem { product_id: string; name: string; quantity: number; revenue_cents: number }
export interface OrderSummary {
  id: string;
  customer_id: string;
  state: OrderState;
  total_cents: number;
  items_count: number;
  driver: string | null;
  created_at_ms: number;
  updated_at_ms: number;
}
export interface Invariant { name: string; holds: boolean; detail: string }
export interface Overview {
  orders_by_state: StateCount[];
  orders_per_second: number;
  received_total: number;
  delivered_total: number;
  revenue_cents_total: number;
  revenue_per_minute: MinuteRevenue[];
  top_items: TopItem[];
  newest: OrderSummary[];
  invariants: Invariant[];
}

export interface OrderChange {
  order_id: string;
  state: OrderState;
  at_ms: number;
  driver: string | null;
  reason: string | null;
}

export interface OrderItem { product_id: string; name: string; quantity: number; price_cents: number }
export interface Order {
  id: string;
  customer_id: string;
  state: OrderState;
  items: OrderItem[];
  total_cents: number;
  driver: string | null;
  reason: string | null;
  created_at_ms: number;
  updated_at_ms: number;
}
export interface Product { id: string; name: string; category: string; price_cents: number }

export interface TimelineEvent {
  topic: string;
  partition: number;
  offset: number;
  event_type: string;
  event_id: string;
  service: string;
  timestamp_ms: number;
  causation_id: string | null;
  correlation_id: string | null;
  traceparent: string | null;
  payload: unknown;
}
export interface Timeline { order: Order; events: TimelineEvent[] }

export interface Problem { status: number; title: string; detail: string; remedy: string }
export interface Notice { part: string; skipped: number; problem: Problem | null }

export interface PartitionView {
  partition: number;
  leader: number;
  replicas: number[];
  in_sync: number[];
  log_start_offset: number | null;
  log_end_offset: number | null;
  records_per_second: number | null;
  size_bytes: number | null;
}
export interface TopicView {
  name: string;
  internal: boolean;
  records: number;
  records_per_second: number | null;
  size_bytes: number | null;
  replication_factor: number;
  partitions: PartitionView[];
}
export interface GroupPartition {
  topic: string;
  partition: number;
  committed_offset: number;
  log_end_offset: number;
  lag: number;
  client_id: string | null;
}
export interface Member {
  member_id: string;
  client_id: string;
  client_host: string;
  assigned: { topic: string; partitions: number[] }[];
}
export interface Group {
  group_id: string;
  state: string;
  protocol: string;
  protocol_type: string;
  members: Member[];
  lag: number | null;
  lag_trend: number | null;
  partitions: GroupPartition[];
}
export interface StoreSnapshot {
  version: string;
  cluster_id: string;
  durability: string;
  uptime_ms: number;
  connections: number;
  resident_bytes: number;
  journal: { commits: number; sync_micros_p50: number; sync_micros_p99: number };
  poisoned: string | null;
}
export interface StoreView {
  at_ms: number;
  bootstrap: string;
  cluster_id: string | null;
  brokers: { id: number; host: string; port: number }[];
  topics: TopicView[];
  topics_omitted: number;
  groups: Group[];
  groups_problem: Problem | null;
  insight: StoreSnapshot | null;
}

export interface Decoded { format: 'json' | 'text' | 'hex'; text: string; size: number; truncated: boolean }
export interface DecodedRecord {
  partition: number;
  offset: number;
  timestamp_ms: number | null;
  key: Decoded | null;
  value: Decoded | null;
  headers: { key: string; value: Decoded | null }[];
}
export interface RecordPage {
  topic: string;
  newest_first: boolean;
  records: DecodedRecord[];
  scanned: number;
  older: string | null;
  newer: string | null;
  stopped: 'time' | 'size' | null;
}
export interface TailBatch { topic: string; records: DecodedRecord[]; skipped: number }
