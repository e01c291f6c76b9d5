//! What the shop sells: two hundred groceries, always the same.
//!
//! Each thing on a shelf comes in two kinds, so a hundred things make two hundred products. Ids are stable: they are
//! numbered in the order of this file, so new things go to the end.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Serialize;

/// Something the shop sells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// `p001` and on.
    pub id: String,
    /// As it stands on the page.
    pub name: String,
    /// The shelf.
    pub category: &'static str,
    /// The price of one piece.
    pub price_cents: i64,
}

struct Shelf {
    category: &'static str,
    /// Two kinds of everything here; the second costs this many percent of the first.
    kinds: [&'static str; 2],
    second_percent: i64,
    things: [(&'static str, i64); 10],
}

const SHELVES: [Shelf; 10] = [
    Shelf {
        category: "Fruit",
        kinds: ["1 kg", "organic, 1 kg"],
        second_percent: 140,
        things: [
            ("Bananas", 179),
            ("Apples", 249),
            ("Oranges", 229),
            ("Pears", 279),
            ("Lemons", 299),
            ("Grapes", 399),
            ("Kiwis", 349),
            ("Mangoes", 459),
            ("Plums", 319),
            ("Strawberries", 549),
        ],
    },
    Shelf {
        category: "Vegetables",
        kinds: ["500 g", "organic, 500 g"],
        second_percent: 135,
        things: [
            ("Tomatoes", 199),
            ("Carrots", 99),
            ("Potatoes", 129),
            ("Onions", 109),
            ("Cucumbers", 89),
            ("Peppers", 249),
            ("Spinach", 219),
            ("Broccoli", 189),
            ("Mushrooms", 239),
            ("Courgettes", 179),
        ],
    },
    Shelf {
        category: "Bakery",
        kinds: ["fresh", "wholegrain"],
        second_percent: 115,
        things: [
            ("Bread", 299),
            ("Rolls, 6", 219),
            ("Baguette", 149),
            ("Croissants, 4", 329),
            ("Bagels, 4", 279),
            ("Ciabatta", 199),
            ("Pretzels, 3", 249),
            ("Toast", 189),
            ("Muffins, 4", 349),
            ("Flatbread", 239),
        ],
    },
    Shelf {
        category: "Dairy",
        kinds: ["classic", "lactose-free"],
        second_percent: 125,
        things: [
            ("Milk, 1 l", 119),
            ("Butter, 250 g", 249),
            ("Yoghurt, 500 g", 159),
            ("Cream, 200 ml", 99),
            ("Mozzarella", 139),
            ("Cheddar, 200 g", 289),
            ("Cottage cheese", 149),
            ("Sour cream", 89),
            ("Feta, 180 g", 219),
            ("Gouda, 400 g", 379),
        ],
    },
    Shelf {
        category: "Pantry",
        kinds: ["500 g", "family pack"],
        second_percent: 180,
        things: [
            ("Spaghetti", 129),
            ("Basmati rice", 229),
            ("Oats", 119),
            ("Red lentils", 199),
            ("Flour", 89),
            ("Sugar", 109),
            ("Muesli", 329),
            ("Couscous", 219),
            ("Chickpeas", 149),
            ("Penne", 129),
        ],
    },
    Shelf {
        category: "Drinks",
        kinds: ["1 l", "six-pack"],
        second_percent: 540,
        things: [
            ("Mineral water", 69),
            ("Orange juice", 229),
            ("Apple juice", 199),
            ("Cola", 149),
            ("Lemonade", 139),
            ("Iced tea", 159),
            ("Oat drink", 189),
            ("Tonic water", 169),
            ("Ginger ale", 179),
            ("Grape juice", 249),
        ],
    },
    Shelf {
        category: "Coffee and tea",
        kinds: ["250 g", "fair trade, 250 g"],
        second_percent: 130,
        things: [
            ("Espresso beans", 599),
            ("Filter coffee", 449),
            ("Decaf", 549),
            ("Black tea", 399),
            ("Green tea", 429),
            ("Peppermint tea", 299),
            ("Chamomile tea", 279),
            ("Rooibos", 349),
            ("Cocoa", 379),
            ("Chai", 459),
        ],
    },
    Shelf {
        category: "Frozen",
        kinds: ["regular", "large"],
        second_percent: 165,
        things: [
            ("Margherita pizza", 299),
            ("Peas", 179),
            ("Vanilla ice cream", 349),
            ("French fries", 229),
            ("Fish fingers", 389),
            ("Mixed berries", 329),
            ("Spring rolls", 279),
            ("Spinach leaves", 169),
            ("Lasagne", 429),
            ("Veggie burgers", 399),
        ],
    },
    Shelf {
        category: "Sweets and snacks",
        kinds: ["single", "sharing bag"],
        second_percent: 210,
        things: [
            ("Milk chocolate", 129),
            ("Dark chocolate", 149),
            ("Crisps", 169),
            ("Salted peanuts", 189),
            ("Gummy bears", 119),
            ("Shortbread", 209),
            ("Popcorn", 139),
            ("Crackers", 159),
            ("Cashews", 299),
            ("Liquorice", 109),
        ],
    },
    Shelf {
        category: "Household",
        kinds: ["standard", "refill"],
        second_percent: 80,
        things: [
            ("Dish soap", 189),
            ("Laundry detergent", 699),
            ("Hand soap", 169),
            ("Shampoo", 299),
            ("Toothpaste", 229),
            ("Kitchen rolls, 4", 329),
            ("Bin bags, 30", 249),
            ("Sponges, 6", 149),
            ("All-purpose cleaner", 259),
            ("Candles, 8", 399),
        ],
    },
];

static PRODUCTS: LazyLock<Vec<Product>> = LazyLock::new(|| {
    let mut products = Vec::with_capacity(200);
    for shelf in &SHELVES {
        for (thing, price) in shelf.things {
            for (kind, percent) in shelf.kinds.into_iter().zip([100, shelf.second_percent]) {
                products.push(Product {
                    id: format!("p{:03}", products.len() + 1),
                    name: format!("{thing} ({kind})"),
                    category: shelf.category,
                    price_cents: price * percent / 100,
                });
            }
        }
    }
    products
});

static BY_ID: LazyLock<HashMap<&'static str, &'static Product>> = LazyLock::new(|| {
    PRODUCTS
        .iter()
        .map(|product| (product.id.as_str(), product))
        .collect()
});

/// Everything the shop sells.
pub fn products() -> &'static [Product] {
    &PRODUCTS
}

/// The product of this id.
pub fn product(id: &str) -> Option<&'static Product> {
    BY_ID.get(id).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{product, products};

    #[test]
    fn two_hundred_products_each_with_a_name_of_its_own() {
        assert_eq!(products().len(), 200);
        let names: HashSet<_> = products().iter().map(|product| &product.name).collect();
        assert_eq!(names.len(), 200);
        assert!(products().iter().all(|product| product.price_cents > 0));
    }

    #[test]
    fn products_are_found_by_their_stable_ids() {
        assert_eq!(
            product("p001").map(|product| product.name.as_str()),
            Some("Bananas (1 kg)")
        );
        assert_eq!(
            product("p200").map(|product| product.name.as_str()),
            Some("Candles, 8 (refill)")
        );
        assert_eq!(product("p201"), None);
    }
}
