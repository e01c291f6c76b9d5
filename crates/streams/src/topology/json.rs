//! A topology as JSON, for programs.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{InternalTopicKind, NodeId, NodeKind, Topology};
use crate::store::{Backend, Caching, StoreKind, StoreSpec};

impl Topology {
    /// The topology as JSON: sub-topologies with their operators, stores, the topics that the application makes, and
    /// those that must have equal partition counts.
    pub fn json(&self) -> Value {
        let parts: Vec<_> = self
            .sub_topologies()
            .iter()
            .map(|part| {
                let nodes: Vec<_> = part.nodes.iter().map(|id| self.node_json(*id)).collect();
                json!({
                    "index": part.index,
                    "sources": names(&part.sources),
                    "sinks": names(&part.sinks),
                    "stores": part.stores.iter().map(|id| &self.stores()[id.index()].name).collect::<Vec<_>>(),
                    "nodes": nodes,
                })
            })
            .collect();
        let stores: Vec<_> = self
            .stores()
            .iter()
            .map(|spec| store_json(spec, self.application()))
            .collect();
        let globals: Vec<_> = self
            .global_stores()
            .iter()
            .map(|store| json!({ "name": store.name(), "topic": &**store.topic() }))
            .collect();
        let topics: Vec<_> = self
            .internal_topics()
            .iter()
            .map(|topic| {
                let configs: serde_json::Map<_, _> = topic
                    .configs
                    .iter()
                    .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
                    .collect();
                json!({
                    "name": &*topic.name,
                    "kind": match topic.kind {
                        InternalTopicKind::Repartition => "repartition",
                        InternalTopicKind::Changelog => "changelog",
                    },
                    "partitions": topic.partitions,
                    "configs": configs,
                })
            })
            .collect();
        let copartitioned: Vec<_> = self
            .copartitioned()
            .iter()
            .map(|group| json!({ "node": self.nodes()[group.node.index()].name, "topics": names(&group.topics) }))
            .collect();
        json!({
            "application": &**self.application(),
            "sub_topologies": parts,
            "stores": stores,
            "global_tables": globals,
            "internal_topics": topics,
            "copartitioned": copartitioned,
        })
    }

    fn node_json(&self, id: NodeId) -> Value {
        let node = &self.nodes()[id.index()];
        let name = |id: NodeId| self.nodes()[id.index()].name.as_str();
        let mut json = json!({
            "name": node.name,
            "parents": node.parents.iter().map(|id| name(*id)).collect::<Vec<_>>(),
            "children": self.children(id).map(name).collect::<Vec<_>>(),
            "stores": node.stores.iter().map(|id| &self.stores()[id.index()].name).collect::<Vec<_>>(),
            "location": node.location.to_string(),
        });
        match &node.kind {
            NodeKind::Source { topics, .. } => {
                json["kind"] = "source".into();
                json["topics"] = json!(names(topics));
            }
            NodeKind::Operator { operator } => {
                json["kind"] = "operator".into();
                json["operator"] = (*operator).into();
            }
            NodeKind::Sink { topic } => {
                json["kind"] = "sink".into();
                json["topic"] = (&**topic).into();
            }
        }
        json
    }
}

fn names(topics: &[Arc<str>]) -> Vec<&str> {
    topics.iter().map(|topic| &**topic).collect()
}

fn store_json(spec: &StoreSpec, application: &str) -> Value {
    json!({
        "name": spec.name,
        "kind": match spec.kind {
            StoreKind::KeyValue => "key-value",
            StoreKind::Window { .. } => "window",
            StoreKind::Session { .. } => "session",
            StoreKind::Versioned { .. } => "versioned",
            StoreKind::JoinWindow { .. } => "join-window",
            StoreKind::Buffer => "buffer",
        },
        "retention_ms": spec.retention_ms(),
        "backend": match spec.backend {
            Backend::Memory => "memory",
            Backend::Disk => "disk",
        },
        "cached": spec.caching == Caching::On,
        "changelog": spec.restore_topic(application),
    })
}
