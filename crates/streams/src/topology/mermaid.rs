//! A topology as a Mermaid flowchart, which Markdown viewers draw.

use std::fmt::Write;
use std::sync::Arc;

use super::{NodeKind, Topology};

impl Topology {
    /// The topology as a Mermaid flowchart: sub-topologies as boxes, topics between them, stores beside the operators
    /// that use them.
    pub fn mermaid(&self) -> String {
        let mut chart = Chart {
            lines: vec!["flowchart TD".to_owned()],
            topics: Vec::new(),
        };
        for part in self.sub_topologies() {
            let index = part.index;
            chart.line(format_args!(
                "  subgraph sub{index} [\"Sub-topology {index}\"]"
            ));
            for id in &part.nodes {
                let node = &self.nodes()[id.index()];
                let name = quoted(&node.name);
                let index = id.index();
                match node.kind {
                    NodeKind::Source { .. } => chart.line(format_args!("    n{index}[/{name}/]")),
                    NodeKind::Operator { .. } => chart.line(format_args!("    n{index}[{name}]")),
                    NodeKind::Sink { .. } => chart.line(format_args!("    n{index}[\\{name}\\]")),
                }
                for child in self.children(*id) {
                    chart.line(format_args!("    n{index} --> n{}", child.index()));
                }
                for store in &node.stores {
                    chart.line(format_args!("    n{index} --- s{}", store.index()));
                }
            }
            for store in &part.stores {
                let name = quoted(&self.stores()[store.index()].name);
                chart.line(format_args!("    s{}[({name})]", store.index()));
            }
            chart.line(format_args!("  end"));
        }
        self.topic_edges(&mut chart);
        let mut text = chart.lines.join("\n");
        text.push('\n');
        text
    }

    fn topic_edges(&self, chart: &mut Chart) {
        for (index, node) in self.nodes().iter().enumerate() {
            match &node.kind {
                NodeKind::Source { topics, .. } => {
                    for topic in topics {
                        let topic = chart.topic(topic);
                        chart.line(format_args!("  t{topic} --> n{index}"));
                    }
                }
                NodeKind::Sink { topic } => {
                    let topic = chart.topic(topic);
                    chart.line(format_args!("  n{index} --> t{topic}"));
                }
                NodeKind::Operator { .. } => {}
            }
        }
        for (index, store) in self.global_stores().iter().enumerate() {
            let topic = chart.topic(store.topic());
            let name = quoted(store.name());
            chart.line(format_args!("  t{topic} --> g{index}[({name})]"));
        }
    }
}

struct Chart {
    lines: Vec<String>,
    /// The topics that are drawn, by their numbers.
    topics: Vec<Arc<str>>,
}

impl Chart {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let mut text = String::new();
        text.write_fmt(line).expect("text takes any text");
        self.lines.push(text);
    }

    /// The number of a topic, which is drawn when it is first asked for.
    fn topic(&mut self, topic: &Arc<str>) -> usize {
        if let Some(known) = self.topics.iter().position(|known| known == topic) {
            return known;
        }
        self.topics.push(Arc::clone(topic));
        let number = self.topics.len() - 1;
        self.line(format_args!("  t{number}([{}])", quoted(topic)));
        number
    }
}

fn quoted(name: &str) -> String {
    let name = name
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!("\"{name}\"")
}
