//! `headwater groups list|describe`.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::groups::GroupInfo;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::topics::Listing;
use crate::client::{self, Context};
use crate::config::Role;
use crate::failure::{Exit, Failure, Result};
use crate::output::Rows;

mod assignment;

#[derive(Subcommand)]
pub(crate) enum Action {
    /// List consumer groups
    List(ListArguments),
    /// Describe a group: each partition's committed offset, lag and member
    Describe(DescribeArguments),
}

#[derive(Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    listing: Listing,
}

#[derive(Args)]
pub(crate) struct DescribeArguments {
    /// Name of the group
    group: String,
    #[command(flatten)]
    listing: Listing,
}

pub(crate) fn run(action: Action) -> Result<()> {
    match action {
        Action::List(arguments) => list(&arguments.listing),
        Action::Describe(arguments) => describe(&arguments),
    }
}

fn list(listing: &Listing) -> Result<()> {
    let (client, context) = client::asking(&listing.connection)?;
    let found = client
        .fetch_group_list(None, listing.connection.timeout)
        .map_err(|error| context.failure("cannot list groups", &error))?;
    let mut groups: Vec<&GroupInfo> = found.groups().iter().collect();
    groups.sort_by_key(|group| group.name());
    let mut rows = Rows::new(&["group", "state", "protocol", "members"]);
    for group in groups {
        rows.push(vec![
            json!(group.name()),
            json!(group.state()),
            json!(group.protocol()),
            json!(group.members().len()),
        ]);
    }
    Ok(rows.print(listing.output)?)
}

/// Which member reads a partition.
struct Owner {
    member_id: String,
    client_id: String,
    host: String,
}

type Partition = (String, i32);

fn describe(arguments: &DescribeArguments) -> Result<()> {
    let name = &arguments.group;
    let connection = &arguments.listing.connection;
    let (client, context) = client::asking(connection)?;
    let found = client
        .fetch_group_list(Some(name), connection.timeout)
        .map_err(|error| context.failure(format!("cannot describe group {name}"), &error))?;
    let group = found
        .groups()
        .iter()
        .find(|group| group.name() == name && group.state() != "Dead")
        .ok_or_else(|| {
            Failure::new(Exit::NotFound, format!("there is no group {name}"))
                .next("headwater groups list")
        })?;
    eprintln!(
        "group {name}: {}, {} member(s)",
        group.state(),
        group.members().len()
    );
    let owners = owners(group);
    let committed = committed(arguments, &client, &context)?;
    let all: BTreeSet<&Partition> = owners.keys().chain(committed.keys()).collect();
    let mut rows = Rows::new(&[
        "group",
        "topic",
        "partition",
        "committed",
        "end_offset",
        "lag",
        "member_id",
        "client_id",
        "host",
    ]);
    for partition in all {
        let (topic, id) = partition;
        let (_, end) = client
            .fetch_watermarks(topic, *id, connection.timeout)
            .map_err(|error| {
                context.failure(format!("cannot read the offsets of {topic}-{id}"), &error)
            })?;
        let offset = committed.get(partition).copied();
        let owner = owners.get(partition);
        let of_owner =
            |field: fn(&Owner) -> &String| owner.map_or(Value::Null, |owner| json!(field(owner)));
        rows.push(vec![
            json!(name),
            json!(topic),
            json!(id),
            json!(offset),
            json!(end),
            json!(offset.map(|offset| end - offset)),
            of_owner(|owner| &owner.member_id),
            of_owner(|owner| &owner.client_id),
            of_owner(|owner| &owner.host),
        ]);
    }
    Ok(rows.print(arguments.listing.output)?)
}

fn owners(group: &GroupInfo) -> BTreeMap<Partition, Owner> {
    let mut owners = BTreeMap::new();
    for member in group.members() {
        for partition in assignment::partitions(member.assignment().unwrap_or_default()) {
            let owner = Owner {
                member_id: member.id().to_owned(),
                client_id: member.client_id().to_owned(),
                host: member.client_host().to_owned(),
            };
            owners.insert(partition, owner);
        }
    }
    owners
}

/// The group's committed offsets. The protocol's old client asks by partition, so every partition is asked for.
fn committed(
    arguments: &DescribeArguments,
    client: &BaseConsumer<Context>,
    context: &Context,
) -> Result<BTreeMap<Partition, i64>> {
    let connection = &arguments.listing.connection;
    let doing = || {
        format!(
            "cannot read the committed offsets of group {}",
            arguments.group
        )
    };
    let metadata = client
        .fetch_metadata(None, connection.timeout)
        .map_err(|error| context.failure(doing(), &error))?;
    let mut partitions = TopicPartitionList::new();
    for topic in metadata
        .topics()
        .iter()
        .filter(|topic| !topic.name().starts_with("__"))
    {
        for partition in topic.partitions() {
            partitions.add_partition(topic.name(), partition.id());
        }
    }
    let mut properties = connection.properties(Role::Admin)?;
    properties.insert("group.id".into(), arguments.group.clone());
    // It never joins: it only asks in the group's name.
    let asking: BaseConsumer<Context> = client::create(&properties, context.clone())?;
    let offsets = asking
        .committed_offsets(partitions, connection.timeout)
        .map_err(|error| context.failure(doing(), &error))?;
    let mut committed = BTreeMap::new();
    for element in offsets.elements() {
        element
            .error()
            .map_err(|error| context.failure(doing(), &error))?;
        if let Offset::Offset(offset) = element.offset() {
            committed.insert((element.topic().to_owned(), element.partition()), offset);
        }
    }
    Ok(committed)
}
