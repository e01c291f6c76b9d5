//! What drivers are called.

const FIRST: [&str; 40] = [
    "Ada", "Amir", "Anouk", "Ben", "Bruna", "Carlos", "Chidi", "Dana", "Edith", "Emre", "Farah",
    "Felix", "Grace", "Hana", "Hugo", "Ida", "Ines", "Ivan", "Jonas", "Kaja", "Kenji", "Lena",
    "Liam", "Lucia", "Malik", "Mara", "Mina", "Noah", "Nora", "Omar", "Paula", "Pavel", "Rosa",
    "Samir", "Sofia", "Tariq", "Uma", "Vera", "Yara", "Zoe",
];

/// The name of the driver of this number: a first name and a letter, the same ever after.
pub(super) fn name(number: u32) -> String {
    let first = FIRST[number as usize % FIRST.len()];
    let round = number as usize / FIRST.len();
    let letter = char::from(b'A' + (round % 26) as u8);
    match round / 26 {
        0 => format!("{first} {letter}."),
        more => format!("{first} {letter}. {more}"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::name;

    #[test]
    fn no_two_drivers_share_a_name() {
        let names: HashSet<_> = (0..5000).map(name).collect();
        assert_eq!(names.len(), 5000);
        assert_eq!(name(0), "Ada A.");
    }
}
