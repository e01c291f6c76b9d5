//! A topology as text, in the form of Kafka Streams' `TopologyDescription`: tools that draw those draw this.

use std::fmt::Write;

use super::{NodeId, NodeKind, Topology};

impl Topology {
    /// The topology as text, as Kafka Streams writes it.
    pub fn text(&self) -> String {
        let mut text = "Topologies:\n".to_owned();
        for part in self.sub_topologies() {
            push(&mut text, format_args!("   Sub-topology: {}\n", part.index));
            for node in &part.nodes {
                self.node_text(*node, &mut text);
            }
            text.push('\n');
        }
        let first = self.sub_topologies().len();
        for (index, store) in self.global_stores().iter().enumerate() {
            push(
                &mut text,
                format_args!(
                    "   Sub-topology: {} for global store (will not generate tasks)\n    Source: {name}-source \
                     (topics: [{}])\n      --> {name}\n    Processor: {name} (stores: [{name}])\n      --> none\n      \
                     <-- {name}-source\n\n",
                    first + index,
                    store.topic(),
                    name = store.name(),
                ),
            );
        }
        text
    }

    fn node_text(&self, id: NodeId, text: &mut String) {
        let node = &self.nodes()[id.index()];
        let name = &node.name;
        match &node.kind {
            NodeKind::Source { topics, .. } => {
                let topics = topics.join(", ");
                push(
                    text,
                    format_args!("    Source: {name} (topics: [{topics}])\n"),
                );
            }
            NodeKind::Operator { .. } => {
                let stores: Vec<_> = node
                    .stores
                    .iter()
                    .map(|store| self.stores()[store.index()].name.as_str())
                    .collect();
                let stores = stores.join(", ");
                push(
                    text,
                    format_args!("    Processor: {name} (stores: [{stores}])\n"),
                );
            }
            NodeKind::Sink { topic } => {
                push(text, format_args!("    Sink: {name} (topic: {topic})\n"));
            }
        }
        if !matches!(node.kind, NodeKind::Sink { .. }) {
            let children = self.names(self.children(id));
            push(text, format_args!("      --> {children}\n"));
        }
        if !matches!(node.kind, NodeKind::Source { .. }) {
            let parents = self.names(node.parents.iter().copied());
            push(text, format_args!("      <-- {parents}\n"));
        }
    }

    /// The operators that take an operator's records.
    pub(super) fn children(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        let nodes = self.nodes().iter().enumerate();
        nodes
            .filter(move |(_, node)| node.parents.contains(&id))
            .map(|(index, _)| NodeId(index))
    }

    fn names(&self, ids: impl Iterator<Item = NodeId>) -> String {
        let names: Vec<_> = ids
            .map(|id| self.nodes()[id.index()].name.as_str())
            .collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("text takes any text");
}
