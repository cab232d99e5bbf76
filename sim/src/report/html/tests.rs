//! What stands in the pages, as far as it can be seen without a browser.

use std::collections::BTreeMap;

use super::run::RunPage;
use super::{chart, embed, escape, fill};
use crate::report::stats::FAILOVER_MAX;
use crate::report::zoo::Table;

#[test]
fn text_cannot_become_markup() {
    assert_eq!(escape("<a href='x'>\"&\u{0}\n"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;\u{fffd}\n");
    assert_eq!(embed("\"</script><!--\""), "\"\\u003c/script>\\u003c!--\"");
}

#[test]
fn what_is_filled_in_is_not_filled_again() {
    let filled = fill("{{a}}-{{b}}-{{none}}-{", &[("a", "{{b}}"), ("b", "x{{a}}")]);
    assert_eq!(filled, "{{b}}-x{{a}}--{");
}

#[test]
fn the_histogram_has_its_numbers_as_text() {
    assert_eq!(chart::failovers(&BTreeMap::new()), "");
    let chart = chart::failovers(&BTreeMap::from([(11, 1_234), (FAILOVER_MAX, 2)]));
    assert!(chart.contains("<td>1.1 to 1.2 s</td><td class=\"n\">1,234</td>"), "{chart}");
    assert!(chart.contains("<td>5.0 s and longer</td><td class=\"n\">2</td>"), "{chart}");
    assert!(chart.contains("formula: 1.12 s"), "{chart}");
}

#[test]
fn the_zoo_is_a_table() {
    let line = "{\"mutant\":\"no_fence_check\",\"own\":{\"scenario\":\"x\",\"seed\":1,\"broken\":[\"F1\"],\
                \"extent\":{\"faults\":1,\"nodes\":3,\"messages\":5}},\"layers\":{\"seeds\":300,\"violated\":7,\
                \"deep\":{\"F1\":7}}}";
    let table = Table::parse(line).unwrap();
    let page = RunPage { zoo: Some(&table), ..RunPage::default() }.page();
    assert!(page.contains("<code>no_fence_check</code>") && page.contains(">7 of 300<"), "{page}");
}

#[test]
fn a_page_of_nothing_is_vacuous_and_not_blank() {
    let page = RunPage::default().page();
    assert!(page.contains("There are no results.") && page.contains("verdict vacuous"), "{page}");
    assert!(!page.contains("{{"), "a name of the template was not filled");
}
