#include <pgtally/server/api/audit_answer.hpp>
#include <pgtally/server/ask/http_client.hpp>
#include <pgtally/server/audit/audit_results.hpp>
#include <pgtally/server/audit/audit_rounds.hpp>
#include <pgtally/server/base/audit_json.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_audit)

using namespace pgtally;
using namespace pgtally::server;
using namespace std::chrono_literals;

namespace {

audit_report drifted()
{
    audit_report out;
    out.outcome = audit_outcome::compared;
    out.keys = 3;
    out.differed = 2;
    out.counters = {"rts", "favs"};
    out.drifted = {{"3\"3", {5, 9007199254740993}, {2, -1}}};
    out.reasons = {"events were forged"};
    return out;
}

audit_report equal()
{
    audit_report out;
    out.outcome = audit_outcome::compared;
    out.keys = 1;
    return out;
}

audit_report other(audit_outcome how)
{
    audit_report out;
    out.outcome = how;
    out.why = "because";
    return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(answer_of_a_comparison)
{
    auto const answer = audit_answer(drifted());
    BOOST_TEST(answer.status == 200U);
    BOOST_TEST(answer.body ==
               R"({"keys":3,"differed":2,"drift":[{"key":"3\"3","served":{"rts":5,"favs":9007199254740993},)"
               R"("truth":{"rts":2,"favs":-1}}],"reasons":["events were forged"]})");
    auto const back = parse_audit(answer.body);
    BOOST_TEST_REQUIRE(back.has_value());
    BOOST_TEST((back->outcome == audit_outcome::compared));
    BOOST_TEST(back->keys == 3U);
    BOOST_TEST(back->differed == 2U);
    BOOST_TEST((back->counters == std::vector<std::string>{"rts", "favs"}));
    BOOST_TEST_REQUIRE(back->drifted.size() == 1U);
    BOOST_TEST(back->drifted[0].key == "3\"3");
    BOOST_TEST((back->drifted[0].served == std::vector<std::int64_t>{5, 9007199254740993}));
    BOOST_TEST((back->drifted[0].truth == std::vector<std::int64_t>{2, -1}));
    BOOST_TEST((back->reasons == std::vector<std::string>{"events were forged"}));
    for (auto const* const bad : {"", "[]", "{}", R"({"keys":1,"differed":0,"drift":[7],"reasons":[]})",
                                  R"({"keys":-1,"differed":0,"drift":[],"reasons":[]})"}) {
        BOOST_TEST(!parse_audit(bad), bad);
    }
}

BOOST_AUTO_TEST_CASE(answer_of_what_could_not_be_compared)
{
    struct row {
        audit_outcome how;
        unsigned status;
        char const* code;
    };
    row const rows[] = {
        {audit_outcome::running, 409, "audit_running"},
        {audit_outcome::unknown, 404, "unknown_tally"},
        {audit_outcome::not_live, 503, "not_live"},
        {audit_outcome::lost, 503, "audit_interrupted"},
        {audit_outcome::changed, 503, "audit_interrupted"},
        {audit_outcome::failed, 503, "audit_failed"},
        {audit_outcome::late, 503, "timeout"},
        {audit_outcome::stopped, 503, "draining"},
    };
    for (auto const& each : rows) {
        auto const answer = audit_answer(other(each.how));
        BOOST_TEST(answer.status == each.status);
        BOOST_TEST((answer.body.find("\"code\":\"" + std::string{each.code} + '"') != std::string::npos), answer.body);
        BOOST_TEST((answer.body.find(R"("detail":"because")") != std::string::npos));
    }
}

BOOST_AUTO_TEST_CASE(the_exit_status_tells_what_is_sure)
{
    tally_audit const good{"a", equal()}, bad{"b", drifted()}, lost{"c", other(audit_outcome::lost)};
    BOOST_TEST(exit_status({good}) == 0);
    BOOST_TEST(exit_status({good, bad}) == 1);
    BOOST_TEST(exit_status({lost, bad}) == 1);
    BOOST_TEST(exit_status({good, lost}) == 3);
    BOOST_TEST(exit_status({}) == 3);
}

BOOST_AUTO_TEST_CASE(what_the_command_prints)
{
    tally_audits const all{
        {"a", equal()}, {"b", drifted()}, {"c", other(audit_outcome::lost)}, {{}, other(audit_outcome::failed)}};
    BOOST_TEST(text_of(all) ==
               "tally a: 1 key compared, none differs\n"
               "tally b: 3 keys compared, 2 different from the truth\n"
               "  key \"3\\\"3\" showed rts=5 favs=9007199254740993, the truth is rts=2 favs=-1\n"
               "  and 1 more key\n"
               "  reason: events were forged\n");
    BOOST_TEST(failures_of({all[2]}) == "pgtally audit: tally c: could not compare: because\n");
    BOOST_TEST(json_of({all[0], all[2]}) ==
               R"({"ok":false,"tallies":[{"tally":"a","keys":1,"differed":0,"drift":[],"reasons":[]},)"
               R"({"tally":"c","error":"because"}]})"
               "\n");
    BOOST_TEST(json_of({all[0]}).starts_with(R"({"ok":true,)"));
}

BOOST_AUTO_TEST_CASE(rounds_keep_to_their_grid)
{
    using time = std::chrono::steady_clock::time_point;
    time const first{100s};
    BOOST_TEST((next_round(first, 10s, time{99s}) == first));
    BOOST_TEST((next_round(first, 10s, first) == time{110s}));
    BOOST_TEST((next_round(first, 10s, time{109s}) == time{110s}));
    BOOST_TEST((next_round(first, 10s, time{110s}) == time{120s}));
    BOOST_TEST((next_round(first, 10s, time{137s}) == time{140s}));  // a round that took long
}

BOOST_AUTO_TEST_SUITE_END()
