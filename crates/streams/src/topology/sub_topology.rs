//! Cuts a topology where it passes through topics: what is connected without one shares its tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Copartitioned, Node, NodeId, NodeKind};
use crate::store::StoreId;

/// A part of the topology that is connected by operators and stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubTopology {
    /// Its number, part of its tasks' ids: in order of its first operator.
    pub index: usize,
    /// Its operators.
    pub nodes: BTreeSet<NodeId>,
    /// Its stores.
    pub stores: BTreeSet<StoreId>,
    /// The topics it reads, in order of their source operators.
    pub sources: Vec<Arc<str>>,
    /// The topics it writes.
    pub sinks: Vec<Arc<str>>,
}

/// The sub-topologies, by union of operators that are linked or share a store.
pub(super) fn cut(nodes: &[Node]) -> Vec<SubTopology> {
    let mut group: Vec<usize> = (0..nodes.len()).collect();
    let mut by_store: BTreeMap<StoreId, usize> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        for parent in &node.parents {
            union(&mut group, index, parent.0);
        }
        for store in &node.stores {
            let first = *by_store.entry(*store).or_insert(index);
            union(&mut group, index, first);
        }
    }
    let mut parts: BTreeMap<usize, SubTopology> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        let root = find(&mut group, index);
        let next = parts.len();
        let part = parts.entry(root).or_insert_with(|| SubTopology {
            index: next,
            nodes: BTreeSet::new(),
            stores: BTreeSet::new(),
            sources: Vec::new(),
            sinks: Vec::new(),
        });
        part.nodes.insert(NodeId(index));
        part.stores.extend(&node.stores);
        match &node.kind {
            NodeKind::Source { topics, .. } => part.sources.extend(topics.iter().cloned()),
            NodeKind::Sink { topic } => part.sinks.push(Arc::clone(topic)),
            NodeKind::Operator { .. } => {}
        }
    }
    let mut parts: Vec<_> = parts.into_values().collect();
    parts.sort_by_key(|part| part.index);
    parts
}

fn find(group: &mut [usize], index: usize) -> usize {
    let mut root = index;
    while group[root] != root {
        root = group[root];
    }
    let mut at = index;
    while group[at] != root {
        at = std::mem::replace(&mut group[at], root);
    }
    root
}

/// The smaller index stays the root, so that roots are in order of first operators.
fn union(group: &mut [usize], a: usize, b: usize) {
    let (a, b) = (find(group, a), find(group, b));
    group[a.max(b)] = a.min(b);
}

/// The topics behind each join: all the sources that its inputs come from.
pub(super) fn copartitioned(nodes: &[Node], joined: &[NodeId]) -> Vec<Copartitioned> {
    joined
        .iter()
        .map(|node| {
            let mut topics = Vec::new();
            collect(nodes, *node, &mut topics);
            Copartitioned {
                node: *node,
                topics,
            }
        })
        .collect()
}

fn collect(nodes: &[Node], node: NodeId, topics: &mut Vec<Arc<str>>) {
    let mut seen = BTreeSet::new();
    let mut open = vec![node];
    while let Some(at) = open.pop() {
        if !seen.insert(at) {
            continue;
        }
        let node = &nodes[at.0];
        if let NodeKind::Source { topics: read, .. } = &node.kind {
            topics.extend(read.iter().cloned());
        }
        open.extend(&node.parents);
    }
    topics.sort();
    topics.dedup();
}
