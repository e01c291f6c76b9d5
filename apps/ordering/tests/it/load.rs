//! The load generator against the real API.

use std::time::Duration;

use headwater_ordering::load::{self, LoadSettings};
use tokio_util::sync::CancellationToken;

use crate::shop::Site;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_order_of_the_load_is_taken_once_and_ends() {
    let site = Site::new().await;
    let shop = site.open().await;
    let stop = CancellationToken::new();
    let generator = tokio::spawn(load::run(LoadSettings::new(&shop.url, 50.0), stop.clone()));
    while site.number("orders", "SELECT count(*) FROM orders").await < 100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.cancel();
    let report = generator.await.unwrap().unwrap();
    assert!(report.accepted > 0);
    assert_eq!(report.refused, 0);
    let verdict = site.settle_load(&report).await;
    assert!(verdict.holds(), "{verdict:?}");
    shop.close().await;
    site.clean_up().await;
}

#[tokio::test]
async fn a_rate_that_makes_no_sense_is_refused() {
    for rate in [0.0, -1.0, f64::NAN, 1e9] {
        let settings = LoadSettings::new("http://127.0.0.1:1", rate);
        assert!(load::run(settings, CancellationToken::new()).await.is_err());
    }
}
