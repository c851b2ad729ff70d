#include "tallies.hpp"

#include <boost/test/unit_test.hpp>

#include <limits>
#include <map>
#include <random>

using namespace pgtally::cache;
using namespace pgtally::test;

BOOST_AUTO_TEST_SUITE(test_tally)

BOOST_AUTO_TEST_CASE(is_loading_until_the_barrier_is_back)
{
    tally t{tweets(), limits{}};
    BOOST_TEST((t.state() == state::loading));
    t.begin_load();
    BOOST_TEST(!t.set_fence(snapshot("10:20:12")));
    BOOST_TEST(!t.add_truth_row("33", row(2, 1)));
    t.await_barrier("b");
    BOOST_TEST((t.state() == state::loading));
    BOOST_TEST(!t.has_counters());
    BOOST_TEST(!t.barrier_back("another"));
    auto const report = t.barrier_back("b");
    BOOST_TEST_REQUIRE(report.has_value());
    BOOST_TEST(report->first);
    BOOST_TEST(report->keys == 1U);
    BOOST_TEST((t.state() == state::live));
    BOOST_TEST(t.revision() == 1U);
    BOOST_TEST(shown(t, "33") == row(2, 1));
    BOOST_TEST(shown(t, "34") == row(0, 0));
}

BOOST_AUTO_TEST_CASE(events_before_the_fence_is_known_are_judged_by_it)
{
    tally t{tweets(), limits{}};
    t.begin_load();
    t.apply(deltas(11, "33", 1, 0));  // inside: counted by the truth
    t.apply(deltas(12, "33", 0, 1));  // in progress when the snapshot was taken
    t.apply(deltas(20, "34", 5, 0));  // later
    BOOST_TEST(!t.set_fence(snapshot("10:20:12")));
    BOOST_TEST(!t.add_truth_row("33", row(1, 0)));
    finish(t);
    BOOST_TEST(shown(t, "33") == row(1, 1));
    BOOST_TEST(shown(t, "34") == row(5, 0));
}

BOOST_AUTO_TEST_CASE(events_while_rows_are_read_commute_with_them)
{
    tally t{tweets(), limits{}};
    t.begin_load();
    t.set_fence(snapshot("10:20:"));
    t.apply(deltas(21, "33", 1, 0));
    t.add_truth_row("33", row(4, 4));
    t.apply(deltas(22, "33", 0, -1));
    t.apply(deltas(19, "33", 100, 100));  // contained
    finish(t);
    BOOST_TEST(shown(t, "33") == row(5, 3));
}

BOOST_AUTO_TEST_CASE(the_list_of_the_fence_is_good_for_ever)
{
    auto t = loaded_tally("10:20:12");
    BOOST_TEST((t->apply(deltas(500, "33", 1, 0)) == outcome::applied));
    BOOST_TEST((t->apply(deltas(12, "33", 1, 0)) == outcome::applied));  // an old transaction commits at last
    BOOST_TEST((t->apply(deltas(13, "33", 1, 0)) == outcome::contained));
    BOOST_TEST(shown(*t, "33") == row(2, 0));
}

BOOST_AUTO_TEST_CASE(truncate_is_zero_from_there_on)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 3, 0));
    t->apply(deltas(21, "34", 3, 0));
    auto const before = t->revision();
    BOOST_TEST((t->apply(simple(event::kind::truncate, 22)) == outcome::applied));
    t->apply(deltas(23, "34", 1, 0));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
    BOOST_TEST(shown(*t, "34") == row(1, 0));
    BOOST_TEST(t->revision() == before + 2);
    BOOST_TEST((t->apply(simple(event::kind::truncate, 19)) == outcome::contained));
    BOOST_TEST(shown(*t, "34") == row(1, 0));
}

BOOST_AUTO_TEST_CASE(a_load_beside_the_served_table_changes_only_what_differs)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    t->apply(deltas(21, "34", 1, 0));
    t->apply(deltas(21, "35", 1, 0));
    auto const revision = t->revision();
    t->begin_load();
    t->apply(deltas(30, "36", 7, 0));
    t->set_fence(snapshot("30:30:"));
    t->add_truth_row("33", row(1, 0));  // as served
    t->add_truth_row("34", row(2, 0));  // other; 35 is gone
    auto const report = finish(*t);
    BOOST_TEST(!report.first);
    BOOST_TEST(report.differed == 2U);
    BOOST_TEST(t->revision() == revision + 2);  // the event, and the differences
    BOOST_TEST(shown(*t, "34") == row(2, 0));
    BOOST_TEST(shown(*t, "35") == row(0, 0));
    BOOST_TEST(shown(*t, "36") == row(7, 0));
    BOOST_TEST(t->changed_at(number(33)) < t->changed_at(number(34)));
    BOOST_TEST((t->apply(deltas(29, "33", 1, 0)) == outcome::contained));  // the new fence applies
}

BOOST_AUTO_TEST_CASE(nothing_is_applied_while_stale)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST((t->state() == state::stale));
    BOOST_TEST(t->reason().text() == "cut");
    BOOST_TEST((t->apply(deltas(22, "33", 1, 0)) == outcome::ignored));
    BOOST_TEST(shown(*t, "33") == row(1, 0));
}

BOOST_AUTO_TEST_CASE(lost_abandons_the_load_under_way)
{
    auto t = loaded_tally("10:20:");
    t->begin_load();
    t->set_fence(snapshot("30:30:"));
    t->await_barrier("b");
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST(!t->loading());
    BOOST_TEST(!t->barrier_back("b"));
    BOOST_TEST((t->state() == state::stale));
}

BOOST_AUTO_TEST_CASE(reload_is_stale_until_a_load_whose_fence_contains_it)
{
    auto t = loaded_tally("10:20:");
    BOOST_TEST((t->apply(simple(event::kind::reload, 19)) == outcome::contained));
    BOOST_TEST((t->state() == state::live));
    BOOST_TEST((t->apply(simple(event::kind::reload, 21)) == outcome::needs_load));
    BOOST_TEST((t->state() == state::stale));

    t->begin_load();
    t->set_fence(snapshot("22:22:"));
    finish(*t);
    BOOST_TEST((t->state() == state::live));

    // If a reload comes while a load is under way, the load is served up to the reload, and the tally is stale.
    for (bool const kept : {false, true}) {
        std::uint64_t const first = kept ? 50 : 30;
        auto const events = [&] {
            t->apply(deltas(first, "33", 1, 0));
            return t->apply(simple(event::kind::reload, first + 1));
        };
        auto const at = std::to_string(first), next = std::to_string(first + 1), end = std::to_string(first + 2);
        t->begin_load();
        if (kept) BOOST_TEST((events() == outcome::needs_load));
        BOOST_TEST(!t->set_fence(snapshot((at + ":" + end + ":" + at + "," + next).c_str())));
        if (!kept) BOOST_TEST((events() == outcome::needs_load));
        BOOST_TEST(!t->add_truth_row("33", row(4, 0)));
        t->apply(deltas(first + 2, "33", 100, 0));
        auto const report = finish(*t);
        BOOST_TEST(!report.live);
        BOOST_TEST(!report.was_live);
        BOOST_TEST((t->state() == state::stale));
        BOOST_TEST(shown(*t, "33") == row(5, 0));

        t->begin_load();
        t->set_fence(snapshot((end + ":" + end + ":").c_str()));
        t->add_truth_row("33", row(6, 0));
        BOOST_TEST(finish(*t).live);
        BOOST_TEST((t->state() == state::live));
    }
}

BOOST_AUTO_TEST_CASE(a_load_tells_what_drifted_while_it_was_live)
{
    limits bounds;
    bounds.max_reported_drift = 2;
    auto t = loaded_tally("10:20:", bounds);
    for (auto const* const key : {"33", "34", "35", "36"}) t->apply(deltas(21, key, 1, 0));
    t->begin_load();
    t->set_fence(snapshot("30:30:"));
    t->add_truth_row("33", row(1, 0));  // as served; 34 is gone
    t->add_truth_row("35", row(2, 0));
    t->add_truth_row("36", row(0, 3));
    auto const report = finish(*t);
    BOOST_TEST(report.was_live);
    BOOST_TEST(report.compared == 4U);
    BOOST_TEST(report.keys == 3U);
    BOOST_TEST(report.differed == 3U);
    BOOST_TEST_REQUIRE(report.drifted.size() == 2U);
    BOOST_TEST(report.drifted[0].key == "34");
    BOOST_TEST(report.drifted[0].served == row(1, 0));
    BOOST_TEST(report.drifted[0].truth == row(0, 0));
    BOOST_TEST(!report.forged);

    t->lost({reason::kind::unreachable, "cut"});
    t->begin_load();
    t->set_fence(snapshot("40:40:"));
    auto const other = finish(*t);
    BOOST_TEST(!other.was_live);
    BOOST_TEST(other.differed == 3U);
    BOOST_TEST(other.drifted.empty());
}

// Between two slices, events change keys that were compared and keys that were not, also in slots that were freed.
BOOST_AUTO_TEST_CASE(a_live_tally_is_compared_some_rows_at_a_time)
{
    for (unsigned seed = 0; seed < 300; ++seed) {
        std::mt19937 engine{seed};
        auto const any = [&](int below) { return static_cast<int>(engine() % static_cast<unsigned>(below)); };
        limits bounds;
        bounds.min_remembered_zeros = 2;  // so that rows are erased
        auto t = loaded_tally("10:20:", bounds);
        std::map<std::string, std::vector<std::int64_t>> truth;
        auto const event = [&](bool genuine) {
            auto const key = std::to_string(any(30));
            std::int64_t const delta = any(3) - 1;
            t->apply(deltas(50, key, delta, 0));
            truth.try_emplace(key, row(0, 0));
            if (genuine) truth[key][0] += delta;
        };
        for (int i = 0; i < 60; ++i) event(any(4) != 0);
        t->begin_load();
        BOOST_TEST(!t->set_fence(snapshot("45:45:")));
        for (auto const& [key, values] : truth) {
            if (values[0] != 0) BOOST_TEST(!t->add_truth_row(key, values));
        }
        t->await_barrier("b");
        auto report = t->barrier_back("b", 1);
        BOOST_TEST(!report.has_value());
        while (!report) {
            BOOST_TEST_REQUIRE(t->comparing());
            for (int i = any(3); i > 0; --i) event(true);
            BOOST_TEST((t->state() == state::live));
            report = t->compare_more(static_cast<std::size_t>(1 + any(3)));
        }
        BOOST_TEST(report->was_live);
        BOOST_TEST(report->drifted.size() == report->differed);
        for (auto const& [key, values] : truth) BOOST_TEST(shown(*t, key) == values, seed);
        BOOST_TEST(!t->loading());
    }
}

BOOST_AUTO_TEST_CASE(what_ends_a_load_ends_its_comparison)
{
    auto const begun = [] {
        auto t = loaded_tally("10:20:");
        for (auto const* const key : {"1", "2", "3"}) t->apply(deltas(21, key, 1, 0));
        t->begin_load();
        t->set_fence(snapshot("30:30:"));
        t->add_truth_row("1", row(7, 0));
        t->await_barrier("b");
        BOOST_TEST(!t->barrier_back("b", 1));
        BOOST_TEST(t->comparing());
        BOOST_TEST(!t->barrier_back("b", 1));
        return t;
    };
    auto t = begun();
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST(!t->comparing());
    BOOST_TEST(!t->compare_more(9));

    t = begun();
    BOOST_TEST((t->apply(simple(event::kind::reload, 31)) == outcome::needs_load));
    t->apply(deltas(32, "1", 100, 0));
    auto const report = t->compare_more(9);
    BOOST_TEST_REQUIRE(report.has_value());
    BOOST_TEST(!report->live);
    BOOST_TEST((t->state() == state::stale));
    BOOST_TEST(shown(*t, "1") == row(7, 0));
    BOOST_TEST(shown(*t, "3") == row(0, 0));

    t = begun();
    t->apply(simple(event::kind::truncate, 31));
    t->apply(deltas(32, "2", 5, 0));
    BOOST_TEST(t->compare_more(9).has_value());
    BOOST_TEST(shown(*t, "1") == row(0, 0));
    BOOST_TEST(shown(*t, "2") == row(5, 0));
}

BOOST_AUTO_TEST_CASE(an_event_before_a_load_that_its_fence_does_not_contain_was_forged)
{
    auto t = loaded_tally("10:20:");
    auto const load_at = [&](char const* fence) {
        t->begin_load();
        t->apply(deltas(60, "34", 1, 0));  // while the load is under way: such a transaction may be genuine
        t->set_fence(snapshot(fence));
        return finish(*t).forged;
    };
    t->apply(deltas(21, "33", 1, 0));
    BOOST_TEST(!load_at("30:30:"));
    t->apply(deltas(50, "33", 1, 0));
    BOOST_TEST((load_at("61:61:") == std::nullopt));
    t->apply(deltas(70, "33", 1, 0));
    BOOST_TEST((load_at("70:70:") == xid{70}));  // the transaction had not begun
    BOOST_TEST((load_at("61:80:65") == std::nullopt));
    t->apply(deltas(81, "33", 1, 0));
    BOOST_TEST((load_at("81:82:81") == xid{81}));  // the transaction was in progress
}

BOOST_AUTO_TEST_CASE(broken_is_failed_until_a_load_whose_fence_contains_it)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    BOOST_TEST((t->apply(uncounted(19, "42703 column is gone")) == outcome::contained));
    BOOST_TEST((t->state() == state::live));
    BOOST_TEST((t->apply(uncounted(22, "42703 column is gone")) == outcome::broken));
    BOOST_TEST((t->state() == state::failed));
    BOOST_TEST(t->reason().text() == "a change could not be counted: 42703 column is gone");
    BOOST_TEST((t->apply(deltas(23, "33", 1, 0)) == outcome::ignored));
    BOOST_TEST(shown(*t, "33") == row(1, 0));  // the last values

    // A lost transport, or a load that fails, does not change why.
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST((t->state() == state::failed));
    BOOST_TEST(t->reason().text() == "a change could not be counted: 42703 column is gone");

    t->begin_load();
    t->set_fence(snapshot("24:24:"));
    t->add_truth_row("33", row(2, 0));
    BOOST_TEST(finish(*t).live);
    BOOST_TEST((t->state() == state::live));
    t->lost({reason::kind::unreachable, "cut"});
    BOOST_TEST((t->state() == state::stale));
}

BOOST_AUTO_TEST_CASE(broken_during_a_load_is_failed_at_its_end)
{
    for (bool const kept : {false, true}) {
        for (bool const after_reload : {false, true}) {
            auto t = loaded_tally("10:20:");
            t->lost({reason::kind::unreachable, "cut"});
            auto const come = [&] {
                if (after_reload) t->apply(simple(event::kind::reload, 30));
                return t->apply(uncounted(31, "22012 division by zero"));
            };
            t->begin_load();
            if (kept) BOOST_TEST((come() == outcome::broken));
            BOOST_TEST(!t->set_fence(snapshot("30:30:")));
            if (!kept) BOOST_TEST((come() == outcome::broken));
            t->add_truth_row("33", row(4, 0));
            t->apply(deltas(32, "33", 100, 0));
            BOOST_TEST(!finish(*t).live);
            BOOST_TEST((t->state() == state::failed));
            BOOST_TEST(t->reason().text() == "a change could not be counted: 22012 division by zero");
            BOOST_TEST(shown(*t, "33") == row(4, 0));
        }
    }
}

BOOST_AUTO_TEST_CASE(message_of_broken_is_one_short_line)
{
    limits few;
    few.max_broken_bytes = 10;
    auto t = loaded_tally("10:20:", few);
    t->apply(uncounted(21, "42703 a\\n\\u007fü…"));
    BOOST_TEST(t->reason().text() == "a change could not be counted: 42703 a  …");
}

BOOST_AUTO_TEST_CASE(event_that_does_not_fit_is_stale_until_a_load_whose_fence_contains_it)
{
    auto const wide = [](std::uint64_t x) {
        return decoded(R"({"t":"tweets","x":")" + std::to_string(x) + R"(","n":1,"d":[["33",1,0],["34",1]]})");
    };
    auto const text_key = [](std::uint64_t x) { return deltas(x, "a", 1, 0); };
    auto t = loaded_tally("10:20:");
    BOOST_TEST((t->apply(wide(19)) == outcome::contained));
    BOOST_TEST((t->state() == state::live));
    BOOST_TEST((t->apply(wide(21)) == outcome::wrong_width));
    BOOST_TEST((t->state() == state::stale));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
    BOOST_TEST((t->apply(text_key(22)) == outcome::ignored));

    t->begin_load();
    BOOST_TEST((t->apply(wide(22)) == outcome::wrong_width));  // kept
    t->set_fence(snapshot("25:25:"));
    BOOST_TEST((t->apply(wide(23)) == outcome::contained));
    BOOST_TEST(finish(*t).live);
    BOOST_TEST((t->apply(text_key(26)) == outcome::wrong_key));
    BOOST_TEST((t->state() == state::stale));

    t->begin_load();
    t->set_fence(snapshot("30:30:"));
    BOOST_TEST((t->apply(text_key(31)) == outcome::wrong_key));
    t->apply(deltas(32, "33", 100, 0));
    BOOST_TEST(!finish(*t).live);
    BOOST_TEST((t->state() == state::stale));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
}

// At any point, a step that is not the load's next one is refused and ends the load.
BOOST_AUTO_TEST_CASE(a_step_out_of_turn_is_refused_and_ends_the_load)
{
    enum class step { begin, fence, row, barrier };
    struct {
        char const* name;
        std::vector<step> before;
        step refused;
    } const cases[]{
        {"a second load", {step::begin}, step::begin},
        {"a load while another reads", {step::begin, step::fence, step::row}, step::begin},
        {"a load while another waits for its barrier", {step::begin, step::fence, step::barrier}, step::begin},
        {"a fence without a load", {}, step::fence},
        {"a second fence", {step::begin, step::fence}, step::fence},
        {"a fence after a row", {step::begin, step::fence, step::row}, step::fence},
        {"a fence after the barrier was sent", {step::begin, step::fence, step::barrier}, step::fence},
        {"a row without a load", {}, step::row},
        {"a row before the fence", {step::begin}, step::row},
        {"a row after the barrier was sent", {step::begin, step::fence, step::barrier}, step::row},
        {"a barrier without a load", {}, step::barrier},
        {"a barrier before the fence", {step::begin}, step::barrier},
        {"a second barrier", {step::begin, step::fence, step::row, step::barrier}, step::barrier},
    };
    for (auto const& tc : cases) {
        BOOST_TEST_CONTEXT(tc.name)
        {
            auto t = loaded_tally("10:20:");
            t->apply(deltas(21, "33", 1, 0));
            auto const take = [&](step what) -> std::optional<std::string> {
                switch (what) {
                    case step::begin: return t->begin_load();
                    case step::fence: return t->set_fence(snapshot("30:30:"));
                    case step::row: return t->add_truth_row("33", row(5, 5));
                    case step::barrier: return t->await_barrier("b");
                }
                return std::nullopt;
            };
            for (auto const what : tc.before) BOOST_TEST(!take(what));
            auto const refusal = take(tc.refused);
            BOOST_TEST_REQUIRE(refusal.has_value());
            BOOST_TEST(refusal->find("out of turn") != std::string::npos);
            BOOST_TEST(!t->loading());
            BOOST_TEST(!t->barrier_back("b"));
            BOOST_TEST(!t->compare_more(9));
            BOOST_TEST((t->state() == state::live));
            BOOST_TEST(shown(*t, "33") == row(1, 0));
            BOOST_TEST(!t->begin_load());  // the next load begins normally
        }
    }
}

BOOST_AUTO_TEST_CASE(a_barrier_that_comes_before_its_turn_changes_nothing)
{
    auto t = loaded_tally("10:20:");
    BOOST_TEST(!t->barrier_back(""));
    t->begin_load();
    BOOST_TEST(!t->barrier_back(""));
    BOOST_TEST(!t->compare_more(9));
    t->set_fence(snapshot("30:30:"));
    t->add_truth_row("33", row(5, 5));
    BOOST_TEST(!t->barrier_back(""));
    BOOST_TEST(!t->compare_more(9));
    BOOST_TEST(t->loading());
    t->await_barrier("b");
    BOOST_TEST(!t->barrier_back("a"));
    BOOST_TEST(!t->compare_more(9));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
    BOOST_TEST(t->barrier_back("b").has_value());
    BOOST_TEST(!t->barrier_back("b"));
    BOOST_TEST(shown(*t, "33") == row(5, 5));
}

BOOST_AUTO_TEST_CASE(steps_while_a_load_is_compared_are_refused)
{
    for (int const which : {0, 1, 2, 3}) {
        auto t = loaded_tally("10:20:");
        for (auto const* const key : {"1", "2", "3"}) t->apply(deltas(21, key, 1, 0));
        t->begin_load();
        t->set_fence(snapshot("30:30:"));
        t->await_barrier("b");
        BOOST_TEST(!t->barrier_back("b", 1));
        BOOST_TEST_REQUIRE(t->comparing());
        if (which == 0) BOOST_TEST(t->begin_load().has_value());
        if (which == 1) BOOST_TEST(t->set_fence(snapshot("40:40:")).has_value());
        if (which == 2) BOOST_TEST(t->add_truth_row("1", row(1, 0)).has_value());
        if (which == 3) BOOST_TEST(t->await_barrier("c").has_value());
        BOOST_TEST(!t->loading());
        BOOST_TEST(!t->compare_more(9));
    }
}

BOOST_AUTO_TEST_CASE(sums_wrap_around_and_come_back)
{
    auto t = loaded_tally("10:20:");
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    constexpr auto least = std::numeric_limits<std::int64_t>::min();
    t->apply(deltas(21, "33", most, least));
    t->apply(deltas(22, "33", 1, -1));
    BOOST_TEST(shown(*t, "33") == row(least, most));
    t->apply(deltas(23, "33", -1, 1));
    BOOST_TEST(shown(*t, "33") == row(most, least));
    t->apply(deltas(24, "33", -most, least));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
    BOOST_TEST(t->table().nonzero() == 0U);
    BOOST_TEST((t->table().sums()[0] == 0));
}

BOOST_AUTO_TEST_CASE(events_that_do_not_fit_are_refused_whole)
{
    auto t = loaded_tally("10:20:");
    auto narrow = deltas(21, "33", 1, 0);
    narrow.deltas[0].values_size = 1;
    BOOST_TEST((t->apply(narrow) == outcome::wrong_width));
    t = loaded_tally("10:20:");
    auto mixed = decoded(R"({"t":"tweets","x":"21","n":1,"d":[["33",1,1],["007",1,1]]})");
    BOOST_TEST((t->apply(mixed) == outcome::wrong_key));
    BOOST_TEST(shown(*t, "33") == row(0, 0));
}

BOOST_AUTO_TEST_CASE(more_keys_than_allowed_is_failed)
{
    limits few;
    few.max_keys = 2;
    auto t = loaded_tally("10:20:", few);
    t->apply(deltas(21, "1", 1, 0));
    t->apply(deltas(21, "2", 1, 0));
    BOOST_TEST((t->state() == state::live));
    t->apply(deltas(21, "3", 1, 0));
    BOOST_TEST((t->state() == state::failed));
    BOOST_TEST(t->reason().text().find("--max-keys") != std::string::npos);

    tally big{tweets(), few};
    big.begin_load();
    big.set_fence(snapshot("10:20:"));
    BOOST_TEST(!big.add_truth_row("1", row(1, 0)));
    BOOST_TEST(!big.add_truth_row("2", row(1, 0)));
    BOOST_TEST(big.add_truth_row("3", row(1, 0)).has_value());
}

BOOST_AUTO_TEST_CASE(more_kept_events_than_allowed_gives_the_load_up)
{
    limits few;
    few.max_kept_bytes = 1000;
    tally t{tweets(), few};
    t.begin_load();
    outcome last = outcome::applied;
    for (std::uint64_t x = 21; last == outcome::applied && x < 1000; ++x) last = t.apply(deltas(x, "1", 1, 0));
    BOOST_TEST((last == outcome::needs_load));
    BOOST_TEST(t.set_fence(snapshot("10:20:")).has_value());
    BOOST_TEST(!t.loading());
}

BOOST_AUTO_TEST_CASE(old_zeros_are_forgotten_and_remembered_as_forgotten)
{
    limits few;
    few.min_remembered_zeros = 10;
    auto t = loaded_tally("10:20:", few);
    auto const epoch_begin = t->remembered_from();
    std::uint64_t x = 21;
    for (int k = 0; k < 40; ++k) {
        t->apply(deltas(x++, std::to_string(k), 1, 0));
        t->apply(deltas(x++, std::to_string(k), -1, 0));
        BOOST_TEST(t->table().rows() <= 12U);
    }
    BOOST_TEST(t->remembered_from() > epoch_begin);
    // `changed_at` of a forgotten key is not older than `remembered_from`: an ETag cannot recur.
    BOOST_TEST(t->changed_at(number(0)) == t->remembered_from());
}

// The same counters, counted in another way: what is served stays, but the events of the new number do not follow it.
BOOST_AUTO_TEST_CASE(definition_of_another_number_is_stale_and_keeps_its_counters)
{
    auto t = loaded_tally("10:20:");
    t->apply(deltas(21, "33", 1, 0));
    auto const epoch = t->epoch();
    auto next = tweets();
    next.v = 13;
    t->begin_load();
    BOOST_TEST(t->redefine(next));
    BOOST_TEST(!t->loading());
    BOOST_TEST((t->state() == state::stale));
    BOOST_TEST(t->definition().v == 13U);
    BOOST_TEST(t->epoch() == epoch);
    BOOST_TEST(shown(*t, "33") == row(1, 0));
    BOOST_TEST(!t->redefine(next));
    t->fail({reason::kind::source_lost, "its source is lost"});
    next.v = 14;
    BOOST_TEST(t->redefine(next));
    BOOST_TEST(t->reason().text() == "its source is lost");
}

BOOST_AUTO_TEST_CASE(another_definition_is_another_epoch)
{
    auto t = loaded_tally("10:20:");
    auto const epoch = t->epoch();
    auto same = tweets();
    same.actions = {"fav"};
    BOOST_TEST(!t->redefine(same));
    BOOST_TEST(t->epoch() == epoch);
    auto other = tweets();
    other.counters = {"n"};
    other.fingerprint = "other";
    BOOST_TEST(t->redefine(other));
    BOOST_TEST(t->epoch() != epoch);
    BOOST_TEST((t->state() == state::loading));
    BOOST_TEST(t->counters(number(33)).size() == 1U);
}

// Triggers send no such event, but anybody can: it must not fill the table.
BOOST_AUTO_TEST_CASE(a_delta_of_zero_makes_no_row)
{
    auto const t = loaded_tally("10:20:");
    auto const rows = t->table().rows();
    auto const revision = t->revision();
    BOOST_TEST((t->apply(deltas(30, "777", 0, 0)) == outcome::applied));
    BOOST_TEST(t->table().rows() == rows);
    BOOST_TEST(t->revision() == revision);
    t->apply(deltas(31, "777", 1, 0));
    BOOST_TEST(t->table().rows() == rows + 1);
}

BOOST_AUTO_TEST_SUITE_END()
