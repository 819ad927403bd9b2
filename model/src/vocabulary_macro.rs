//! The macro by which a vocabulary is declared: an enum whose words have a stable id and a meaning.
//!
//! Faults, properties, mutants and the other words that people type and files hold each stand in one place with all
//! that is said of them. So a new word cannot be forgotten in a list, and its documentation cannot say one thing and
//! the program another.

/// Declares an enum of words.
///
/// ```text
/// vocabulary! {
///     /// A colour of the flag.
///     #[derive(Serialize)]
///     pub enum Colour (
///         /// Its wavelength, nm.
///         pub wavelength: u16,
///     ) {
///         /// Only the documentation has this second paragraph.
///         Red = "red", "the colour of the upper half", wavelength: 700;
///         Blue = "blue", "the colour of the lower half", wavelength: 450;
///     }
/// }
/// ```
///
/// gives `Colour::{Red, Blue}` the usual derives, `ALL` (an array in the order of declaration), `id()`, `from_id()` and
/// `describe()`. A meaning is a sentence without capital and full stop: it is the text of `describe()` and the first
/// paragraph of the variant's documentation. The columns in parentheses may be left out; each becomes a method that
/// returns the value written beside the word, and a word that lacks one does not compile.
macro_rules! vocabulary {
    (
        $(#[$about:meta])*
        $visibility:vis enum $Word:ident {
            $(
                $(#[$more:meta])*
                $Variant:ident = $id:literal, $meaning:literal;
            )+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $Word {
            $(
                #[doc = concat!($meaning, ".")]
                ///
                $(#[$more])*
                $Variant,
            )+
        }

        impl $Word {
            /// All of them, in the order of their declaration.
            $visibility const ALL: [$Word; [$($id),+].len()] = [$($Word::$Variant),+];

            /// The stable name, as in command lines and files.
            $visibility const fn id(self) -> &'static str {
                match self {
                    $($Word::$Variant => $id,)+
                }
            }

            /// The one of that name.
            $visibility fn from_id(id: &str) -> Option<$Word> {
                $Word::ALL.into_iter().find(|word| word.id() == id)
            }

            /// Its meaning, in a sentence without capital and full stop.
            $visibility const fn describe(self) -> &'static str {
                match self {
                    $($Word::$Variant => $meaning,)+
                }
            }
        }
    };
    (
        $(#[$about:meta])*
        $visibility:vis enum $Word:ident (
            $(
                $(#[$column_about:meta])*
                $column_visibility:vis $column:ident: $Type:ty,
            )+
        ) {
            $(
                $(#[$more:meta])*
                $Variant:ident = $id:literal, $meaning:literal, $($name:ident: $value:expr),+;
            )+
        }
    ) => {
        vocabulary! {
            $(#[$about])*
            $visibility enum $Word {
                $(
                    $(#[$more])*
                    $Variant = $id, $meaning;
                )+
            }
        }

        const _: () = {
            /// The text that is written beside a word.
            struct Columns {
                $($column: $Type,)+
            }

            impl $Word {
                const fn columns(self) -> Columns {
                    match self {
                        $($Word::$Variant => Columns { $($name: $value),+ },)+
                    }
                }

                $(
                    $(#[$column_about])*
                    $column_visibility const fn $column(self) -> $Type {
                        self.columns().$column
                    }
                )+
            }
        };
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde::de::DeserializeOwned;

    use crate::mutants::Mutant;
    use crate::recover::branch::Branch;
    use crate::recover::dialogue::{Question, Task};
    use crate::rules::edition::Edition;
    use crate::verify::assumption::Assumption;
    use crate::vocabulary::disturbance::Disturbance;
    use crate::vocabulary::fault::Fault;
    use crate::vocabulary::property::Property;

    vocabulary! {
        /// A colour of the flag.
        #[derive(Serialize)]
        enum Colour (
            /// Its wavelength, nm.
            wavelength: u16,
            on_top: bool,
        ) {
            /// The documentation alone says this.
            Red = "red", "the colour of the upper half", wavelength: 700, on_top: true;
            Blue = "blue", "the colour of the lower half", wavelength: 450, on_top: false;
        }
    }

    #[test]
    fn a_word_is_declared_once_with_all_that_is_said_of_it() {
        assert_eq!(Colour::ALL, [Colour::Red, Colour::Blue]);
        assert_eq!(Colour::ALL.map(Colour::id), ["red", "blue"]);
        assert_eq!(Colour::ALL.map(Colour::wavelength), [700, 450]);
        assert_eq!(Colour::ALL.map(Colour::on_top), [true, false]);
        assert_eq!(Colour::Blue.describe(), "the colour of the lower half");
        assert_eq!(Colour::from_id("blue"), Some(Colour::Blue));
        assert_eq!(Colour::from_id("Blue"), None);
    }

    fn assert_names_are_ids<T: Serialize>(words: &[T], id: impl Fn(&T) -> &'static str) {
        for word in words {
            assert_eq!(serde_json::to_value(word).unwrap(), id(word));
        }
    }

    fn assert_ids_are_read<T: DeserializeOwned + PartialEq>(words: &[T], id: impl Fn(&T) -> &'static str) {
        for word in words {
            assert!(serde_json::from_value::<T>(id(word).into()).unwrap() == *word, "{}", id(word));
        }
    }

    #[test]
    fn names_in_files_are_the_ids() {
        assert_names_are_ids(&Fault::ALL, |word| word.id());
        assert_names_are_ids(&Disturbance::ALL, |word| word.id());
        assert_names_are_ids(&Property::ALL, |word| word.id());
        assert_names_are_ids(&Branch::ALL, |word| word.id());
        assert_ids_are_read(&Fault::ALL, |word| word.id());
        assert_ids_are_read(&Disturbance::ALL, |word| word.id());
        assert_ids_are_read(&Branch::ALL, |word| word.id());
    }

    /// Ids are unlike each other and made of few characters; each leads back to its word.
    macro_rules! assert_ids_are_good {
        ($($Word:ident),+) => {$(
            let ids: BTreeSet<_> = $Word::ALL.iter().map(|word| word.id()).collect();
            assert_eq!(ids.len(), $Word::ALL.len(), "two of {} are called the same", stringify!($Word));
            for word in $Word::ALL {
                assert_eq!($Word::from_id(word.id()), Some(word));
                let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
                assert!(word.id().bytes().all(plain), "{}", word.id());
            }
        )+};
    }

    #[test]
    fn an_id_names_one_word() {
        assert_ids_are_good!(Fault, Disturbance, Property, Assumption, Edition, Branch, Mutant, Task, Question);
    }

    /// A capital stands only where a name begins.
    fn assert_is_a_sentence(text: &str) {
        let names = ["Postgres", "SIGKILL"];
        let begins = text.starts_with(|letter: char| letter.is_lowercase() || "`/".contains(letter));
        assert!(begins || names.iter().any(|name| text.starts_with(name)), "{text:?}");
        assert!(!text.ends_with('.') && !text.contains("  "), "{text:?}");
    }

    #[test]
    fn a_meaning_is_a_sentence_without_capital_and_full_stop() {
        let texts = [
            Fault::ALL.map(Fault::describe).as_slice(),
            Disturbance::ALL.map(Disturbance::describe).as_slice(),
            Property::ALL.map(Property::describe).as_slice(),
            Assumption::ALL.map(Assumption::describe).as_slice(),
            Edition::ALL.map(Edition::describe).as_slice(),
            Branch::ALL.map(Branch::describe).as_slice(),
            Task::ALL.map(Task::describe).as_slice(),
            Mutant::ALL.map(Mutant::describe).as_slice(),
            Mutant::ALL.map(Mutant::rule).as_slice(),
        ]
        .concat();
        texts.into_iter().for_each(assert_is_a_sentence);
    }
}
