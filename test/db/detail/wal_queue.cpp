#include <pgtally/db/detail/wal_queue.hpp>

#include <boost/test/unit_test.hpp>

#include <initializer_list>
#include <string>
#include <utility>

using namespace pgtally::db;
using pgtally::db::detail::wal_queue;
using pushed = wal_queue::pushed;

namespace {

// The bytes that a message costs beside its content.
constexpr std::size_t overhead = sizeof(std::string_view);

wal_queue queue_of(std::size_t transactions, std::size_t bytes = 1'000'000, std::size_t transaction_bytes = 1'000'000)
{
    return wal_queue(transactions, bytes, transaction_bytes);
}

pushed push(wal_queue& queue, std::initializer_list<std::string_view> contents, std::uint64_t end = 100)
{
    queue.begin();
    for (auto const each : contents) queue.add(each);
    return queue.commit(7, lsn{end - 10}, lsn{end}, {});
}

wal::streaming from(std::string slot)
{
    wal::streaming now;
    now.slot = std::move(slot);
    return now;
}

lost because(std::string reason)
{
    lost why;
    why.reason = std::move(reason);
    return why;
}

// "[a,b] +slot ?7 !gone": transactions, streaming, waiting, lost; an incomplete one is "[...]".
std::string shown(std::span<wal::event const> events)
{
    std::string text;
    for (auto const& each : events) {
        if (!text.empty()) text += ' ';
        if (auto const* t = std::get_if<wal::transaction>(&each)) {
            text += '[';
            for (auto const& message : t->messages)
                text.append(&message == t->messages.data() ? "" : ",").append(message);
            text += t->complete ? "]" : "...]";
        } else if (auto const* s = std::get_if<wal::streaming>(&each)) {
            text += '+' + s->slot;
        } else if (auto const* w = std::get_if<wal::waiting>(&each)) {
            text += '?' + std::to_string(static_cast<int>(w->backend));
        } else {
            text += '!' + std::get<lost>(each).reason;
        }
    }
    return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(test_wal_queue)

BOOST_AUTO_TEST_CASE(take_gives_all_in_order_once)
{
    auto queue = queue_of(10);
    BOOST_TEST(queue.empty());
    queue.push_streaming(from("one"));
    BOOST_TEST((push(queue, {"a", "", "b"}) == pushed::queued));
    BOOST_TEST((push(queue, {""}) == pushed::queued));
    queue.push_lost(because("gone"));
    queue.push_waiting(wal::waiting{backend_pid(7)});
    queue.push_streaming(from("two"));
    BOOST_TEST(!queue.empty());
    BOOST_TEST(shown(queue.take()) == "+one [a,,b] [] !gone ?7 +two");
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.take().empty());
}

BOOST_AUTO_TEST_CASE(transaction_says_where_and_who)
{
    using namespace std::chrono;
    auto queue = queue_of(10);
    queue.begin();
    queue.add("a");
    queue.commit(9, lsn{20}, lsn{30}, sys_days(2026y / 11 / 29) + 5us);
    auto const events = queue.take();
    auto const& got = std::get<wal::transaction>(events[0]);
    BOOST_TEST(got.xid == 9u);
    BOOST_TEST((got.commit == lsn{20}));
    BOOST_TEST((got.end == lsn{30}));
    BOOST_TEST((got.at == sys_days(2026y / 11 / 29) + 5us));
}

BOOST_AUTO_TEST_CASE(transaction_without_messages_is_nothing)
{
    auto queue = queue_of(10);
    BOOST_TEST((push(queue, {}) == pushed::nothing));
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.pending() == 0u);
}

BOOST_AUTO_TEST_CASE(transaction_that_is_not_committed_is_dropped)
{
    auto queue = queue_of(10);
    queue.begin();
    queue.add("lost with its connection");
    push(queue, {"a"});
    BOOST_TEST(shown(queue.take()) == "[a]");
}

BOOST_AUTO_TEST_CASE(batch_stays_while_the_next_one_is_filled)
{
    auto queue = queue_of(1000);
    std::string const big(5000, 'x');
    for (int i = 0; i < 100; ++i) push(queue, {big, std::to_string(i)});
    auto const batch = queue.take();
    for (int i = 0; i < 100; ++i) push(queue, {std::string(5000, 'y')});
    BOOST_REQUIRE(batch.size() == 100u);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto const& messages = std::get<wal::transaction>(batch[i]).messages;
        BOOST_REQUIRE(messages.size() == 2u);
        BOOST_REQUIRE(messages[0] == big);
        BOOST_REQUIRE(messages[1] == std::to_string(i));
    }
}

BOOST_AUTO_TEST_CASE(transaction_may_arrive_during_several_batches)
{
    auto queue = queue_of(10);
    queue.begin();
    queue.add("a");
    BOOST_TEST(queue.take().empty());
    queue.add("b");
    BOOST_TEST(queue.take().empty());
    queue.commit(7, lsn{1}, lsn{2}, {});
    BOOST_TEST(shown(queue.take()) == "[a,b]");
}

BOOST_AUTO_TEST_CASE(too_many_collapse_into_one_streaming)
{
    auto queue = queue_of(3);
    queue.push_streaming(from("one"));
    for (auto const* const each : {"a", "b", "c"}) BOOST_TEST((push(queue, {each}) == pushed::queued));
    BOOST_TEST((push(queue, {"d"}) == pushed::overflow));
    BOOST_TEST((push(queue, {"e"}) == pushed::queued));
    BOOST_TEST(shown(queue.take()) == "+one [e]");
}

BOOST_AUTO_TEST_CASE(too_many_bytes_collapse_likewise)
{
    auto queue = queue_of(100, 2 * overhead + 10);
    queue.push_streaming(from("one"));
    BOOST_TEST((push(queue, {"01234"}) == pushed::queued));
    BOOST_TEST((push(queue, {"56789"}) == pushed::queued));
    BOOST_TEST((push(queue, {""}) == pushed::overflow));
    BOOST_TEST((push(queue, {"0123456789"}) == pushed::queued));
    BOOST_TEST(shown(queue.take()) == "+one [0123456789]");
    BOOST_TEST((push(queue, {"0123456789"}) == pushed::queued));  // the bytes of a batch that was taken do not count
}

BOOST_AUTO_TEST_CASE(one_transaction_is_accepted_however_large)
{
    auto queue = queue_of(100, 10);
    queue.push_streaming(from("one"));
    BOOST_TEST((push(queue, {std::string(100, 'x')}) == pushed::queued));
    BOOST_TEST((push(queue, {""}) == pushed::overflow));
    BOOST_TEST(shown(queue.take()) == "+one");
}

BOOST_AUTO_TEST_CASE(transaction_beyond_its_limit_is_incomplete)
{
    auto queue = queue_of(10, 1'000'000, 2 * overhead + 10);
    BOOST_TEST((push(queue, {"01234", "56789"}) == pushed::queued));
    queue.begin();
    BOOST_TEST(queue.add("01234"));
    BOOST_TEST(!queue.add("567890"));
    BOOST_TEST(queue.add("the first one only is told"));
    BOOST_TEST((queue.commit(7, lsn{1}, lsn{2}, {}) == pushed::queued));
    BOOST_TEST((push(queue, {"", "", ""}) == pushed::queued));  // of three messages the overhead alone is too much
    BOOST_TEST((push(queue, {"a"}) == pushed::queued));
    BOOST_TEST(shown(queue.take()) == "[01234,56789] [...] [...] [a]");
}

BOOST_AUTO_TEST_CASE(last_of_several_lost_or_waiting_stays)
{
    auto queue = queue_of(3);
    for (int i = 0; i < 10; ++i) queue.push_lost(because(std::to_string(i)));
    for (int i = 0; i < 10; ++i) queue.push_waiting(wal::waiting{backend_pid(i)});
    BOOST_TEST(shown(queue.take()) == "!9 ?9");
}

BOOST_AUTO_TEST_CASE(endless_reconnects_stay_bounded)
{
    auto queue = queue_of(5);
    for (int i = 0; i < 100; ++i) {
        queue.push_lost(because("gone"));
        queue.push_waiting(wal::waiting{backend_pid(7)});
        queue.push_streaming(from(std::to_string(i)));
    }
    auto const events = queue.take();
    BOOST_TEST(events.size() <= 5u);
    BOOST_TEST(std::get<wal::streaming>(events.back()).slot == "99");
}

BOOST_AUTO_TEST_CASE(fetched_is_the_end_of_the_last_one_since_streaming)
{
    auto queue = queue_of(2);
    queue.push_streaming(from("one"));
    push(queue, {"a"}, 100);
    push(queue, {"b"}, 200);
    BOOST_TEST(queue.pending() == 2u);
    BOOST_TEST((queue.fetched() == lsn{}));
    BOOST_TEST(queue.take().size() == 3u);
    BOOST_TEST(queue.pending() == 0u);
    BOOST_TEST((queue.fetched() == lsn{200}));
    push(queue, {"c"}, 300);
    BOOST_TEST((queue.fetched() == lsn{200}));
    queue.push_streaming(from("two"));
    BOOST_TEST(queue.pending() == 0u);
    BOOST_TEST((queue.fetched() == lsn{}));
    BOOST_TEST(queue.take().size() == 2u);
    BOOST_TEST((queue.fetched() == lsn{}));  // the fetched one came before `streaming`
}

BOOST_AUTO_TEST_CASE(overflow_leaves_nothing_to_confirm)
{
    auto queue = queue_of(1);
    push(queue, {"a"}, 100);
    BOOST_TEST(queue.take().size() == 1u);
    push(queue, {"b"}, 200);
    BOOST_TEST((push(queue, {"c"}, 300) == pushed::overflow));
    BOOST_TEST(queue.pending() == 0u);
    BOOST_TEST((queue.fetched() == lsn{}));
}

BOOST_AUTO_TEST_CASE(clear_drops_what_waits)
{
    auto queue = queue_of(5);
    push(queue, {"a"});
    queue.clear();
    BOOST_TEST(queue.empty());
    BOOST_TEST(queue.take().empty());
}

BOOST_AUTO_TEST_SUITE_END()
