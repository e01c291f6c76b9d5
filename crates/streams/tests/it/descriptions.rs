//! A topology described: as text in Kafka Streams' form, as a Mermaid flowchart, as JSON.

use headwater_streams::dsl::within;
use headwater_streams::serde::Value;
use headwater_streams::windows::mins;
use headwater_streams::{Builder, Topic, Topology};
use serde_json::json;

const ORDERS: Topic<String, u64> = Topic::json("orders");
const PAYMENTS: Topic<String, u64> = Topic::json("payments");
const ITEMS: Topic<String, String> = Topic::string("items");
const TOTALS: Topic<String, u64> = Topic::json("totals");

fn topology(b: &Builder) {
    let items = b.global_table(ITEMS, "items");
    b.stream(ORDERS)
        .filter(|cents| *cents > 0)
        .join("paid", b.stream(PAYMENTS), within(mins(5)))
        .map(|(order, _)| order)
        .key_by("by-size", |cents: &u64| (cents / 100).to_string())
        .join_global(&items, |_, cents: &u64| Some(cents.to_string()))
        .map(|(cents, _)| cents)
        .reduce("totals", |a, b| a + b)
        .to_stream()
        .map(Option::unwrap_or_default)
        .to(TOTALS);
}

fn built() -> Topology {
    Topology::build("shop", topology).unwrap()
}

const TEXT: &str = "\
Topologies:
   Sub-topology: 0
    Source: source-0 (topics: [orders])
      --> filter-1
    Processor: filter-1 (stores: [])
      --> paid
      <-- source-0
    Source: source-2 (topics: [payments])
      --> paid
    Processor: paid (stores: [paid-left, paid-right])
      --> map-4
      <-- filter-1, source-2
    Processor: map-4 (stores: [])
      --> map_key-5
      <-- paid
    Processor: map_key-5 (stores: [])
      --> by-size-sink
      <-- map-4
    Sink: by-size-sink (topic: shop-by-size-repartition)
      <-- map_key-5

   Sub-topology: 1
    Source: by-size-source (topics: [shop-by-size-repartition])
      --> join_global-8
    Processor: join_global-8 (stores: [])
      --> map-9
      <-- by-size-source
    Processor: map-9 (stores: [])
      --> totals
      <-- join_global-8
    Processor: totals (stores: [totals])
      --> to_stream-11
      <-- map-9
    Processor: to_stream-11 (stores: [])
      --> map-12
      <-- totals
    Processor: map-12 (stores: [])
      --> sink-13
      <-- to_stream-11
    Sink: sink-13 (topic: totals)
      <-- map-12

   Sub-topology: 2 for global store (will not generate tasks)
    Source: items-source (topics: [items])
      --> items
    Processor: items (stores: [items])
      --> none
      <-- items-source

";

const MERMAID: &str = r#"flowchart TD
  subgraph sub0 ["Sub-topology 0"]
    n0[/"source-0"/]
    n0 --> n1
    n1["filter-1"]
    n1 --> n3
    n2[/"source-2"/]
    n2 --> n3
    n3["paid"]
    n3 --> n4
    n3 --- s0
    n3 --- s1
    n4["map-4"]
    n4 --> n5
    n5["map_key-5"]
    n5 --> n6
    n6[\"by-size-sink"\]
    s0[("paid-left")]
    s1[("paid-right")]
  end
  subgraph sub1 ["Sub-topology 1"]
    n7[/"by-size-source"/]
    n7 --> n8
    n8["join_global-8"]
    n8 --> n9
    n9["map-9"]
    n9 --> n10
    n10["totals"]
    n10 --> n11
    n10 --- s2
    n11["to_stream-11"]
    n11 --> n12
    n12["map-12"]
    n12 --> n13
    n13[\"sink-13"\]
    s2[("totals")]
  end
  t0(["orders"])
  t0 --> n0
  t1(["payments"])
  t1 --> n2
  t2(["shop-by-size-repartition"])
  n6 --> t2
  t2 --> n7
  t3(["totals"])
  n13 --> t3
  t4(["items"])
  t4 --> g0[("items")]
"#;

#[test]
fn a_topology_is_told_in_the_form_of_kafka_streams() {
    assert_eq!(built().text(), TEXT);
}

#[test]
fn a_topology_is_drawn_as_a_mermaid_flowchart() {
    assert_eq!(built().mermaid(), MERMAID);
}

#[test]
fn a_topology_is_told_as_json_for_programs() {
    let json = built().json();
    assert_eq!(json["application"], "shop");
    let paid = &json["sub_topologies"][0]["nodes"][3];
    let location = paid["location"].as_str().unwrap();
    assert!(location.contains("descriptions.rs:"), "{location}");
    let mut placeless = paid.clone();
    placeless["location"] = json!(null);
    assert_eq!(
        placeless,
        json!({
            "name": "paid",
            "kind": "operator",
            "operator": "join",
            "parents": ["filter-1", "source-2"],
            "children": ["map-4"],
            "stores": ["paid-left", "paid-right"],
            "location": null,
        })
    );
    assert_eq!(
        json["sub_topologies"][1]["sources"],
        json!(["shop-by-size-repartition"])
    );
    assert_eq!(json["sub_topologies"][1]["sinks"], json!(["totals"]));
    assert_eq!(
        json["global_tables"],
        json!([{ "name": "items", "topic": "items" }])
    );
    let copartitioned = json!([{ "node": "paid", "topics": ["orders", "payments"] }]);
    assert_eq!(json["copartitioned"], copartitioned);
    assert_eq!(
        json["stores"][2],
        json!({
            "name": "totals",
            "kind": "key-value",
            "retention_ms": null,
            "backend": "disk",
            "cached": false,
            "changelog": "shop-totals-changelog",
        })
    );
    assert_eq!(json["internal_topics"][2]["kind"], "repartition");
    assert_eq!(json["internal_topics"][2]["configs"]["retention.ms"], "-1");
}

#[test]
fn names_that_no_topic_can_have_are_all_told_with_their_place() {
    let error = Topology::build("shop", |b| {
        b.stream(Topic::<String, u64>::json("or/ders"))
            .to(Topic::json(""));
        b.table(Topic::<String, u64>::json(".."), "rows")
            .to(Topic::named("t".repeat(250), String::codec(), u64::codec()));
    })
    .unwrap_err()
    .to_string();
    let named = ["\"or/ders\"", "\"\"", "\"..\"", "\"ttt"];
    assert_eq!(
        error.matches("descriptions.rs").count(),
        named.len(),
        "{error}"
    );
    for name in named {
        assert!(error.contains(name), "{name} in {error}");
    }
}
