#include <pgtally/server/check/letter.hpp>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(test_letter)

using namespace pgtally::server;

namespace {

finding note_of_senders()
{
    return {
        .check = "senders", .how_bad = finding::severity::note, .message = "somebody may", .remedy = "do not let them"};
}

finding fault_of(std::string tally)
{
    return {.check = "tally",
            .tally = std::move(tally),
            .kind = "disabled_trigger",
            .subject = "s",
            .message = "the insert trigger of s is disabled",
            .remedy = "select tally.reload('t') from a statement that is long"};
}

finding warning_of_the_queue()
{
    return {.check = "notification_queue",
            .how_bad = finding::severity::warning,
            .message = "the notification queue is 60 % full",
            .remedy = "end the session that listens"};
}

examinations well()
{
    examination one;
    one.title = "database d, as role r";
    one.saw("notify", "a notification came back");
    one.saw_tally("t", "");
    one.saw("senders", "");
    one.skipped("replication", "no tally has transport wal");
    one.found.push_back(note_of_senders());
    return {one};
}

examinations ill()
{
    auto all = well();
    all[0].found.push_back(fault_of("t"));
    all[0].found.push_back(warning_of_the_queue());
    return all;
}

}  // namespace

BOOST_AUTO_TEST_CASE(what_is_well_has_a_line)
{
    BOOST_TEST(
        text_of(well(), {}) ==
        "database d, as role r\n\n"
        "notify: well; a notification came back\n"
        "tally t: well\n"
        "senders: well, 1 note\n"
        "  looked at: who can forge events\n"
        "  note: senders: somebody may\n"
        "    means: a forged event shows wrong counters until an audit mends them\n"
        "    remedy: do not let them\n"
        "replication: not looked at; no tally has transport wal\n\n"
        "nothing found that keeps counters from being exact or live, 1 note, 11 checks passed, 1 group not looked "
        "at\n");
    BOOST_TEST(all_good(well()));
}

BOOST_AUTO_TEST_CASE(a_fault_says_what_was_looked_at_and_found_what_it_means_and_the_remedy)
{
    auto const text = text_of(ill(), {});
    BOOST_TEST(
        text.find("notify: 1 warning; a notification came back\n"
                  "  looked at: the notification queue, whether a notification comes back\n"
                  "  warning: notification_queue: the notification queue is 60 % full\n"
                  "    means: when the queue is full, every COMMIT that notifies fails, of other applications too\n"
                  "    remedy: end the session that listens\n") != std::string::npos,
        text);
    BOOST_TEST(
        text.find("tally t: 1 fault\n"
                  "  looked at: its source, its triggers, its columns, its functions, its truth, its actions, its "
                  "table, its transport\n"
                  "  fault: disabled_trigger: the insert trigger of s is disabled\n"
                  "    means: changes by such statements are not counted\n"
                  "    remedy: select tally.reload('t') from a statement that is long\n") != std::string::npos,
        text);
    BOOST_TEST(text.ends_with("\n\n1 fault, 1 warning, 1 note, 9 checks passed, 1 group not looked at\n"));
    BOOST_TEST(!all_good(ill()));
}

BOOST_AUTO_TEST_CASE(a_finding_without_a_group_makes_one)
{
    auto all = well();
    all[0].found.push_back(fault_of("u"));
    BOOST_TEST(text_of(all, {}).find("tally t: well\n") != std::string::npos);
    BOOST_TEST(text_of(all, {}).find("tally u: 1 fault\n") != std::string::npos);
    examination away;
    away.found.push_back({.check = "connection", .message = "refused", .remedy = "start it"});
    BOOST_TEST(text_of({away}, {}).find("server: 1 fault\n") != std::string::npos);
    BOOST_TEST(count({away}).passed == 0U);  // nothing was looked at
}

BOOST_AUTO_TEST_CASE(lines_are_wrapped_but_for_statements)
{
    auto const text = text_of(ill(), {.width = 40});
    BOOST_TEST(text.find("    means: changes by such statements\n      are not counted\n") != std::string::npos, text);
    BOOST_TEST(text.find("    remedy: select tally.reload('t') from a statement that is long\n") != std::string::npos,
               text);
    BOOST_TEST(text.find("replication: not looked at; no tally has\n  transport wal\n") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(colours_are_sequences_around_words)
{
    auto const text = text_of(ill(), {.width = 0, .colours = true});
    BOOST_TEST(text.find("\x1b[1mtally t\x1b[0m: \x1b[1;31m1 fault\x1b[0m\n") != std::string::npos);
    BOOST_TEST(text.find("  \x1b[1;31mfault\x1b[0m: disabled_trigger: the insert") != std::string::npos);
    BOOST_TEST(text.find("\x1b[33m1 warning\x1b[0m") != std::string::npos);
    std::string plain;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\x1b') at = text.find('m', at);
        else plain += text[at];
    }
    BOOST_TEST(plain == text_of(ill(), {}));
}

BOOST_AUTO_TEST_CASE(a_name_does_a_terminal_no_harm)
{
    auto all = ill();
    all[0].found[1].message = "the trigger of \"\x1b[2J\n\" is disabled";
    all[0].title = "database \x1b]0;x\x07";
    auto const text = text_of(all, {});
    BOOST_TEST(text.find('\x1b') == std::string::npos);
    BOOST_TEST(text.find("\"?[2J?\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(colours_are_for_terminals_that_take_them)
{
    BOOST_TEST(style_for(true, 90, "xterm", "").colours);
    BOOST_TEST(style_for(true, 90, "xterm", "").width == 90U);
    BOOST_TEST(!style_for(true, 90, "xterm", "1").colours);
    BOOST_TEST(!style_for(true, 90, "dumb", "").colours);
    BOOST_TEST(!style_for(true, 90, "", "").colours);
    BOOST_TEST(style_for(true, 90, "dumb", "").width == 90U);
    BOOST_TEST(!style_for(false, 90, "xterm", "").colours);
    BOOST_TEST(style_for(false, 90, "xterm", "").width == 0U);
}

BOOST_AUTO_TEST_CASE(as_json)
{
    BOOST_TEST(
        json_of(examinations{}) ==
        R"({"ok":true,"findings":[],"groups":[],"summary":{"faults":0,"warnings":0,"notes":0,"passed":0,"skipped":0}})"
        "\n");
    examination one;
    one.saw("senders", "");
    one.skipped("replication", "none");
    one.saw_tally("t", "", 2);
    one.found.push_back(note_of_senders());
    one.found.push_back(fault_of("t"));
    std::string const note =
        R"("check":"senders","kind":"senders","severity":"note","subject":"","message":"somebody may")";
    std::string const fault =
        R"("check":"tally","kind":"disabled_trigger","severity":"error","tally":"t","subject":"s",)"
        R"("message":"the insert trigger of s is disabled")";
    std::string const remedy = R"("remedy":"select tally.reload('t') from a statement that is long")";
    BOOST_TEST(
        json_of(examinations{one}) ==
        R"({"ok":false,"findings":[{)" + note + R"(,"remedy":"do not let them"},{)" + fault + "," + remedy +
            R"(}],"groups":[{"about":"database","group":"senders","looked_at":["who can forge events"],"passed":1,)"
            R"("findings":[{)" +
            note +
            R"(,"means":"a forged event shows wrong counters until an audit mends them","remedy":"do not let them"}]},)"
            R"({"about":"database","group":"replication","skipped":"none","looked_at":[],"passed":0,"findings":[]},)"
            R"({"about":"database","group":"tally","tally":"t","looked_at":["its source","its triggers"],)"
            R"("passed":1,)"
            R"("findings":[{)" +
            fault + R"(,"means":"changes by such statements are not counted",)" + remedy +
            R"(}]}],"summary":{"faults":1,"warnings":0,"notes":1,"passed":2,"skipped":1}})"
            "\n");
}

BOOST_AUTO_TEST_SUITE_END()
