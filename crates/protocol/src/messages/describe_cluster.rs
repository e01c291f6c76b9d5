//! `DescribeCluster`: the cluster's id, controller and brokers (KIP-700).
//!
//! 1 asks for brokers or controllers (KIP-919), 2 includes fenced ones.

use std::ops::RangeInclusive;

use crate::{ApiKey, ErrorCode, Message, Request};

const VERSIONS: RangeInclusive<i16> = 0..=2;
const FLEXIBLE: i16 = 0;

/// What to tell about the cluster.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeClusterRequest {
    pub include_cluster_authorized_operations: bool,
    /// 1: brokers, 2: controllers.
    #[field(versions = 1.., default = 1)]
    pub endpoint_type: i8,
    #[field(versions = 2..)]
    pub include_fenced_brokers: bool,
}

impl Request for DescribeClusterRequest {
    const KEY: ApiKey = ApiKey::DescribeCluster;
    const VERSIONS: RangeInclusive<i16> = VERSIONS;
    const FIRST_FLEXIBLE: Option<i16> = Some(FLEXIBLE);
    type Response = DescribeClusterResponse;

    fn error_response(&self, code: ErrorCode, _version: i16) -> DescribeClusterResponse {
        DescribeClusterResponse {
            error_code: code.into(),
            ..DescribeClusterResponse::default()
        }
    }
}

/// The cluster and its nodes.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeClusterResponse {
    pub throttle_time_ms: i32,
    pub error_code: i16,
    pub error_message: Option<String>,
    /// 1: brokers, 2: controllers.
    #[field(versions = 1.., default = 1)]
    pub endpoint_type: i8,
    pub cluster_id: String,
    #[field(default = -1)]
    pub controller_id: i32,
    pub brokers: Vec<DescribeClusterBroker>,
    /// A set of bits; the least integer: not asked for.
    #[field(default = i32::MIN)]
    pub cluster_authorized_operations: i32,
}

/// A node and where clients reach it.
#[derive(Debug, Clone, PartialEq, Message)]
#[message(flexible = FLEXIBLE)]
pub struct DescribeClusterBroker {
    pub broker_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
    #[field(versions = 2..)]
    pub is_fenced: bool,
}
