#include <pgtally/cache/look.hpp>

#include <boost/test/unit_test.hpp>

#include <ostream>
#include <string>
#include <vector>

namespace pgtally {
// Boost.Test prints what it compares.
static std::ostream& operator<<(std::ostream& out, finding const& what)
{
    return out << what.text();
}
}  // namespace pgtally

using namespace pgtally;
using namespace std::chrono_literals;

namespace {

using names = std::vector<std::string>;
using rows = std::vector<looked_tally>;

finding failing(std::string const& subject = "public.s", std::string const& remedy = "select tally.reload('a')")
{
    return {"missing_trigger", subject, subject + " has no insert trigger", remedy, true};
}

finding const warning{"row_security", "public.s", "row level security hides rows", "alter table s disable", false};

// Tallies `a` and `b` of numbers 1 and 2, that were looked at, loaded, and found well.
struct watched {
    look l;
    look::time_point now{1h};

    watched()
    {
        l.define("a", 1);
        l.define("b", 2);
        load("a", "A");
        load("b", "B");
        see(well());
        for (auto const* const name : {"a", "b"}) l.take_findings(name, {}, false);
    }

    static rows well() { return {{"a", 1, "A"}, {"b", 2, "B"}}; }

    look::change see(rows const& shown) { return l.take(l.begin(), shown); }

    void load(std::string const& name, std::string const& fingerprint)
    {
        l.load_reads(name, fingerprint);
        l.load_ends(name, true);
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_look, watched)

BOOST_AUTO_TEST_CASE(nothing_changed_is_nothing_to_do)
{
    BOOST_TEST(l.asks(well()).empty());
    auto const change = see(well());
    BOOST_TEST(!change.definitions);
    BOOST_TEST(change.reload.empty());
    BOOST_TEST(!l.repair(now));
    BOOST_TEST((l.repair_at() == look::time_point::max()));
}

BOOST_AUTO_TEST_CASE(another_fingerprint_is_one_load_and_a_question)
{
    rows const other{{"a", 1, "A2"}, {"b", 2, "B"}};
    BOOST_TEST(l.asks(other) == names{"a"}, boost::test_tools::per_element());
    BOOST_TEST(see(other).reload == names{"a"}, boost::test_tools::per_element());
    // Until the findings are read, each look asks for them. The load is requested once, also if it fails.
    BOOST_TEST(l.asks(other) == names{"a"}, boost::test_tools::per_element());
    BOOST_TEST(see(other).reload.empty());
    l.load_reads("a", "A2");
    l.load_ends("a", false);
    BOOST_TEST(see(other).reload.empty());
    l.take_findings("a", {}, false);
    BOOST_TEST(l.asks(other).empty());
    load("a", "A2");
    BOOST_TEST(see(other).reload.empty());
    BOOST_TEST(see({{"a", 1, "A"}, {"b", 2, "B"}}).reload == names{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(each_further_change_is_another_load)
{
    see({{"a", 1, "A2"}, {"b", 2, "B"}});
    BOOST_TEST(see({{"a", 1, "A3"}, {"b", 2, "B"}}).reload == names{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(another_installation_is_a_load_of_all)
{
    BOOST_TEST(see({{"a", 1, "other A"}, {"b", 2, "other B"}}).reload == (names{"a", "b"}),
               boost::test_tools::per_element());
}

// What is served belongs to a load. A change between what the load reads and its end must not be taken for served.
BOOST_AUTO_TEST_CASE(change_during_a_load_is_another_load)
{
    l.load_reads("a", "A2");
    BOOST_TEST(see({{"a", 1, "A3"}, {"b", 2, "B"}}).reload == names{"a"}, boost::test_tools::per_element());
    l.load_ends("a", true);
    BOOST_TEST(see({{"a", 1, "A3"}, {"b", 2, "B"}}).reload == names{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(change_that_the_load_under_way_has_read_is_no_other_load)
{
    l.load_reads("a", "A2");
    BOOST_TEST(see({{"a", 1, "A2"}, {"b", 2, "B"}}).reload.empty());
    l.load_ends("a", false);
    // The load failed. The change is still one that nothing served contains.
    BOOST_TEST(see({{"a", 1, "A2"}, {"b", 2, "B"}}).reload == names{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(look_that_began_before_the_load_read_proves_nothing)
{
    auto const number = l.begin();
    load("a", "A2");
    BOOST_TEST(l.take(number, well()).reload.empty());
    BOOST_TEST(see({{"a", 1, "A2"}, {"b", 2, "B"}}).reload.empty());
}

BOOST_AUTO_TEST_CASE(tally_that_was_never_loaded_needs_no_other_load)
{
    l.define("c", 3);
    rows const three{{"a", 1, "A"}, {"b", 2, "B"}, {"c", 3, "C"}};
    BOOST_TEST(l.asks(three) == names{"c"}, boost::test_tools::per_element());
    BOOST_TEST(see(three).reload.empty());
}

BOOST_AUTO_TEST_CASE(other_definitions_are_read)
{
    BOOST_TEST(see({{"a", 1, "A"}}).definitions);                                // b is gone
    BOOST_TEST(see({{"a", 1, "A"}, {"b", 2, "B"}, {"c", 3, "C"}}).definitions);  // c is new
    BOOST_TEST(see({{"a", 1, "A"}, {"b", 4, "B"}}).definitions);                 // b has another number
    BOOST_TEST(l.asks({{"a", 1, "A"}, {"b", 4, "B"}}) == names{"b"}, boost::test_tools::per_element());
    l.define("b", 4);
    BOOST_TEST(!see({{"a", 1, "A"}, {"b", 4, "B"}}).definitions);
    BOOST_TEST(l.asks({{"a", 1, "A"}, {"b", 4, "B"}}) == names{"b"}, boost::test_tools::per_element());
    l.remove("b");
    BOOST_TEST(!see({{"a", 1, "A"}}).definitions);
}

BOOST_AUTO_TEST_CASE(findings_are_asked_for_when_told_and_with_a_new_connection)
{
    l.ask("b");
    l.ask("nobody");
    BOOST_TEST(l.asks(well()) == names{"b"}, boost::test_tools::per_element());
    l.connected();
    BOOST_TEST(l.asks(well()) == (names{"a", "b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(finding_that_fails_lasts_until_it_is_gone)
{
    auto news = l.take_findings("a", {warning, failing()}, false);
    BOOST_TEST(news.appeared.size() == 2U);
    BOOST_TEST(news.gone.empty());
    BOOST_TEST_REQUIRE(l.failure("a").has_value());
    BOOST_TEST(l.failure("a")->text() == "public.s has no insert trigger; remedy: select tally.reload('a')");
    BOOST_TEST(!l.failure("b"));
    BOOST_TEST(l.asks(well()) == names{"a"}, boost::test_tools::per_element());  // with each look
    news = l.take_findings("a", {warning}, false);
    BOOST_TEST(news.appeared.empty());
    BOOST_TEST(news.gone == findings{failing()}, boost::test_tools::per_element());
    BOOST_TEST(!l.failure("a"));
    BOOST_TEST(l.take_findings("nobody", {warning}, true).appeared.empty());
}

// Which table is meant is for people to say.
BOOST_AUTO_TEST_CASE(lost_source_is_not_repaired)
{
    finding const lost{"source_lost", "public.s", "source public.s was dropped", "select tally.reload('a')", true};
    l.take_findings("a", {lost}, true);
    BOOST_TEST(l.failure("a").has_value());
    BOOST_TEST(!l.repair(now));
    BOOST_TEST((l.repair_at() == look::time_point::max()));
}

BOOST_AUTO_TEST_CASE(what_reload_cures_is_repaired_where_the_role_may)
{
    l.take_findings("a", {failing()}, false);
    BOOST_TEST(!l.repair(now));
    l.take_findings("a", {warning}, true);
    BOOST_TEST(!l.repair(now));
    l.take_findings("a", {warning, failing()}, true);
    BOOST_TEST((l.repair(now) == "a"));
    l.repaired("a", now);
    BOOST_TEST(!l.repair(now));
    BOOST_TEST(l.asks(well()) == names{"a"}, boost::test_tools::per_element());
    l.take_findings("a", {}, false);
    BOOST_TEST(l.asks(well()).empty());
}

// It cures nothing, or somebody breaks the same again before the next look.
BOOST_AUTO_TEST_CASE(repair_after_which_the_same_is_found_is_repeated_after_growing_pauses)
{
    for (bool const fails : {false, true}) {
        now += 24h;
        l.take_findings("b", {}, true);
        l.take_findings("b", {failing()}, true);
        for (auto const pause : {1min, 2min, 4min, 8min, 16min, 32min, 60min, 60min}) {
            BOOST_TEST((l.repair(now) == "b"));
            if (fails) l.repair_failed("b", false, now);
            else l.repaired("b", now);
            l.take_findings("b", {failing(), warning}, true);
            BOOST_TEST(!l.repair(now + pause - 1ms));
            BOOST_TEST((l.repair_at() == now + pause));
            now += pause;
        }
        l.take_findings("b", {failing("public.t")}, true);
        BOOST_TEST((l.repair(now) == "b"));
        l.repaired("b", now);
        l.take_findings("b", {failing("public.t")}, true);
        BOOST_TEST((l.repair_at() == now + 1min));
    }
}

// The repair may have been of another server's tally.
BOOST_AUTO_TEST_CASE(repair_is_repeated_with_a_new_connection)
{
    l.take_findings("a", {failing()}, true);
    for (int i = 0; i < look::max_quick_repairs; ++i) {
        l.take_findings("a", {failing()}, true);
        BOOST_TEST((l.repair(now) == "a"));
        if (i == 0) l.repaired("a", now);
        else l.repair_failed("a", false, now);
        BOOST_TEST(!l.repair(now));
        l.connected();
        BOOST_TEST(!l.repair(now));  // what was found may be cured
    }
    l.take_findings("a", {failing()}, true);
    BOOST_TEST(!l.repair(now));  // connections come and go
    BOOST_TEST((l.repair(now + look::repair_interval) == "a"));
}

BOOST_AUTO_TEST_CASE(repair_without_its_locks_is_repeated_after_growing_pauses)
{
    l.take_findings("a", {failing()}, true);
    for (auto const pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
        BOOST_TEST((l.repair(now) == "a"));
        l.repair_failed("a", true, now);
        BOOST_TEST(!l.repair(now + pause - 1ms));
        BOOST_TEST((l.repair_at() == now + pause));
        now += pause;
    }
    l.repaired("a", now);
    l.take_findings("a", {failing("public.t")}, true);
    BOOST_TEST((l.repair(now) == "a"));
    l.repair_failed("a", true, now);
    BOOST_TEST((l.repair_at() == now + 1s));
}

// Somebody else undoes each repair, for instance another migration.
BOOST_AUTO_TEST_CASE(repairs_of_a_tally_come_at_a_bounded_rate)
{
    auto const cure = [&] {
        l.take_findings("a", {failing()}, true);
        bool const due = l.repair(now) == "a";
        if (due) l.repaired("a", now);
        l.take_findings("a", {}, true);
        return due;
    };
    for (int i = 0; i < look::max_quick_repairs; ++i) BOOST_TEST(cure());
    BOOST_TEST(!cure());
    now += look::repair_interval;
    BOOST_TEST(cure());
    BOOST_TEST(!cure());
}

BOOST_AUTO_TEST_SUITE_END()
