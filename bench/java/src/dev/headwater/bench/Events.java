package dev.headwater.bench;

/** What the topics hold, as JSON: shop events and Nexmark's. */
final class Events {
  private Events() {}

  record Order(String item, long cents, String note) {}

  record Payment(long cents, String method, String note) {}

  record Paid(String item, long cents) {}

  record Bid(long auction, long bidder, long price, String channel, long dateTime) {}

  record Person(long id, String name, String email, String city, String state, long dateTime) {}

  record Auction(long id, String item, long seller, long category, long reserve, long dateTime) {}

  record LocalItem(String name, String city, String state, long auction) {}

  record HotItem(long auction, long bids) {}

  record NewSeller(long person, String name, long auction) {}
}
