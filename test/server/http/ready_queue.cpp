#include <pgtally/server/http/ready_queue.hpp>

#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>

#include <functional>
#include <string>

namespace pgtally::server {

namespace {

struct session final : ready_session {
    std::function<void()> what{};
    void on_ready() override
    {
        if (what) what();
    }
};

struct queue_fixture {
    asio::io_context io{1};
    ready_queue queue{io, 2};
    std::string log;
    session a, b, c;

    queue_fixture()
    {
        a.what = [this] { log += 'a'; };
        b.what = [this] { log += 'b'; };
        c.what = [this] { log += 'c'; };
    }
    void run()
    {
        io.restart();
        io.run();
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_ready_queue, queue_fixture)

BOOST_AUTO_TEST_CASE(each_has_its_turn_once_and_later)
{
    queue.add(b);
    queue.add(a);
    queue.add(b);
    BOOST_TEST(log.empty());
    run();
    BOOST_TEST(log == "ba");
    queue.add(b);
    run();
    BOOST_TEST(log == "bab");
}

BOOST_AUTO_TEST_CASE(the_rest_of_the_loop_runs_between_a_few)
{
    queue.add(a);
    queue.add(b);
    queue.add(c);
    asio::post(io, [this] { log += '.'; });
    run();
    BOOST_TEST(log == "ab.c");
}

BOOST_AUTO_TEST_CASE(who_is_ready_again_in_its_turn_comes_after_the_others)
{
    a.what = [this] {
        log += 'a';
        if (log.size() < 6) queue.add(a);
    };
    queue.add(a);
    queue.add(b);
    queue.add(c);
    run();
    BOOST_TEST(log == "abcaaa");
}

BOOST_AUTO_TEST_CASE(who_is_removed_has_no_turn)
{
    queue.add(a);
    queue.add(b);
    queue.remove(a);
    queue.remove(c);
    run();
    BOOST_TEST(log == "b");
    // In the turn of another one, too.
    b.what = [this] {
        log += 'b';
        queue.remove(c);
    };
    queue.add(b);
    queue.add(c);
    queue.add(a);
    run();
    BOOST_TEST(log == "bba");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace pgtally::server
