#include <pgtally/db/listener.hpp>
#include <pgtally/test/db/fixture.hpp>
#include <pgtally/test/support/proxy.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <map>

using namespace pgtally;
using namespace pgtally::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

// "channel:payload", "+" for listening, "!reason" for lost.
std::string shown(db::event const& each) {
  if (auto const* n = std::get_if<db::notification>(&each))
    return std::string(n->channel) + ":" + std::string(n->payload);
  if (std::holds_alternative<db::listening>(each)) return "+";
  return "!" + std::get<db::lost>(each).reason;
}

// A listener with its run() beside the test, and its events one by one.
class subject {
 public:
  subject(asio::any_io_executor executor, db::config settings,
          std::vector<std::string> channels = {"one", "two"},
          db::listener_limits limits = db::listener_limits())
      : listener(executor, std::move(settings), std::move(channels), limits), executor_(executor) {}

  void start() { spawn(executor_, follow(listener.run(), run_ended_)); }

  asio::awaitable<std::string> next() {
    while (position_ == batch_.size()) {
      auto const events = co_await listener.next();
      if (events.empty()) co_return "stopped";
      batch_.clear();
      position_ = 0;
      for (auto const& each : events) batch_.push_back(shown(each));
    }
    co_return batch_[position_++];
  }

  // Skips what is not it.
  asio::awaitable<void> until(std::string wanted) {
    for (;;) {
      auto const got = co_await next();
      BOOST_REQUIRE(got != "stopped");
      if (got == wanted) co_return;
    }
  }

  asio::awaitable<void> until_run_ended() {
    while (!*run_ended_) co_await asio::post(executor_, asio::use_awaitable);
  }

  db::listener listener;

 private:
  // Nothing of `this`: run() may end after it.
  static asio::awaitable<void> follow(asio::awaitable<void> running, std::shared_ptr<bool> ended) {
    co_await std::move(running);
    *ended = true;
  }

  asio::any_io_executor executor_;
  std::shared_ptr<bool> run_ended_ = std::make_shared<bool>(false);
  std::vector<std::string> batch_;
  std::size_t position_ = 0;
};

void notify(std::string const& sql) { cluster::shared().sql(sql); }

std::string pid_of(db::listener const& of) {
  return std::to_string(static_cast<int>(of.backend_pid()));
}

db::config through(db::config settings, proxy const& by) {
  settings.conninfo =
      "host=127.0.0.1 user=postgres dbname=postgres port=" + std::to_string(by.port());
  return settings;
}

db::config hurried(db::config settings) {
  settings.retry.first = 1ms;
  settings.retry.cap = 20ms;
  return settings;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(test_listener, db_fixture)

BOOST_AUTO_TEST_CASE(channels_are_checked) {
  asio::io_context context;
  auto const make = [&](std::vector<std::string> channels) {
    db::listener const made(context.get_executor(), settings(), std::move(channels));
  };
  BOOST_CHECK_THROW(make({}), std::invalid_argument);
  BOOST_CHECK_THROW(make({"one", ""}), std::invalid_argument);
  BOOST_CHECK_THROW(make({std::string(64, 'x')}), std::invalid_argument);
  BOOST_CHECK_THROW(make({std::string("a\0b", 3)}), std::invalid_argument);
  BOOST_CHECK_NO_THROW(make({std::string(63, 'x')}));
}

BOOST_AUTO_TEST_CASE(events_come_in_order_after_listening) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, settings());
    BOOST_TEST(!it.listener.is_listening());
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    BOOST_TEST(it.listener.is_listening());
    notify("notify one, 'a'; notify two, 'b'; notify one; notify elsewhere, 'c'; notify one, 'd'");
    for (auto const* const wanted : {"one:a", "two:b", "one:", "one:d"})
      BOOST_TEST((co_await it.next()) == wanted);
    BOOST_TEST(it.listener.counters().notifications == 4u);
    BOOST_TEST(it.listener.counters().payload_bytes == 3u);
    BOOST_TEST(it.listener.counters().connects == 1u);
    it.listener.stop();
    BOOST_TEST((co_await it.next()) == "stopped");
    co_await it.until_run_ended();
  });
  BOOST_TEST(log->contain("listening"));
}

BOOST_AUTO_TEST_CASE(channels_are_taken_literally) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, settings(), {"Mixed", "with \"quotes\"; and more", "\u00e4"});
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    notify("notify mixed, 'no'; notify \"Mixed\", '1';"
           "select pg_notify('with \"quotes\"; and more', '2'), pg_notify('\u00e4', '3')");
    BOOST_TEST((co_await it.next()) == "Mixed:1");
    BOOST_TEST((co_await it.next()) == "with \"quotes\"; and more:2");
    BOOST_TEST((co_await it.next()) == "\u00e4:3");
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(sender_is_told) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::connection conn(executor);
    co_await conn.connect(settings());
    db::listener listener(executor, settings(), {"one"});
    spawn(executor, listener.run());
    co_await listener.next();
    co_await conn.query("notify one, 'mine'");
    auto const events = co_await listener.next();
    BOOST_TEST((std::get<db::notification>(events[0]).sender == conn.backend_pid()));
    listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(nothing_is_missing_of_very_many) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener_limits limits;
    limits.max_queued = 1'000'000;
    db::listener listener(executor, settings(), {"one"}, limits);
    spawn(executor, listener.run());
    co_await listener.next();
    db::connection conn(executor);
    co_await conn.connect(settings());
    constexpr int transactions = 20, each = 10'000;
    bool sent = false;
    auto send = [&]() -> asio::awaitable<void> {
      for (int i = 0; i < transactions; ++i)
        co_await conn.query("select pg_notify('one', $1 || '/' || j) from generate_series(1, $2) j",
                            i, each);
      sent = true;
    };
    spawn(executor, send());
    int count = 0;
    while (count < transactions * each) {
      for (auto const& event : co_await listener.next()) {
        auto const wanted = std::to_string(count / each) + "/" + std::to_string(count % each + 1);
        BOOST_REQUIRE(std::get<db::notification>(event).payload == wanted);
        ++count;
      }
    }
    while (!sent) co_await asio::post(executor, asio::use_awaitable);
    BOOST_TEST(listener.counters().overflows == 0u);
    BOOST_TEST(listener.counters().batches < static_cast<unsigned>(count));
    listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(queue_that_overflows_asks_to_load_again) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener_limits limits;
    limits.max_queued = 1000;
    db::listener listener(executor, settings(), {"one"}, limits);
    spawn(executor, listener.run());
    auto const first = co_await listener.next();
    auto const generation = std::get<db::listening>(first[0]).generation;
    notify("select pg_notify('one', i::text) from generate_series(1, 10500) i");
    while (listener.counters().notifications < 10'500) {
      co_await asio::post(executor, asio::use_awaitable);
    }
    auto const events = co_await listener.next();
    BOOST_REQUIRE(events.size() <= 1000u);
    BOOST_TEST(std::get<db::listening>(events[0]).generation > generation);
    for (std::size_t i = 1; i < events.size(); ++i) {
      auto const wanted = std::to_string(10'500 - events.size() + 1 + i);
      BOOST_REQUIRE(std::get<db::notification>(events[i]).payload == wanted);
    }
    BOOST_TEST(listener.counters().overflows >= 1u);
    BOOST_TEST(listener.is_listening());
    listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(terminated_backend_is_lost_then_listening_again) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, hurried(settings()));
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    for (int i = 0; i < 3; ++i) {
      notify("select pg_terminate_backend(" + pid_of(it.listener) + ")");
      auto const lost = co_await it.next();
      BOOST_TEST(mentions(lost, "terminating connection due to administrator command (57P01)"));
      BOOST_TEST((co_await it.next()) == "+");
      notify("notify one, 'back'");
      BOOST_TEST((co_await it.next()) == "one:back");
    }
    BOOST_TEST(it.listener.counters().connects == 4u);
    BOOST_TEST(it.listener.counters().losses == 3u);
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(server_that_is_away_is_waited_for) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, hurried(settings()));
    cluster::shared().stop();
    it.start();
    BOOST_TEST(mentions(co_await it.next(), "Connection refused"));
    while (it.listener.counters().connect_failures < 5)
      co_await asio::post(executor, asio::use_awaitable);
    cluster::shared().start();
    // The reason may have changed meanwhile ("the database system is starting up").
    co_await it.until("+");
    cluster::shared().stop(cluster::how::immediate);
    BOOST_TEST(mentions(co_await it.next(), "57P01"));
    cluster::shared().start();
    co_await it.until("+");
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(same_reason_is_told_once) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener listener(executor, hurried(settings(cluster::shared().dsn("nowhere"))), {"one"});
    spawn(executor, listener.run());
    auto const events = co_await listener.next();
    BOOST_REQUIRE(events.size() == 1u);
    auto const& lost = std::get<db::lost>(events[0]);
    BOOST_TEST(lost.permanent);
    BOOST_TEST(lost.state.is("3D000"));
    while (listener.counters().connect_failures < 5)
      co_await asio::post(executor, asio::use_awaitable);
    BOOST_TEST(listener.counters().batches == 1u);
    auto const logged = log->lines.size();
    BOOST_TEST(logged == 1u);
    BOOST_TEST((log->lines[0].first == db::level::error));
    cluster::shared().sql("create database nowhere");
    auto const after = co_await listener.next();
    BOOST_TEST(std::holds_alternative<db::listening>(after[0]));
    listener.stop();
  });
  cluster::shared().sql("drop database nowhere (force)");
}

BOOST_AUTO_TEST_CASE(reconnect_makes_a_new_connection_at_once) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto patient = settings();
    patient.retry.first = std::chrono::minutes{10};  // a pause would hang the test
    patient.retry.cap = std::chrono::minutes{10};
    subject it(executor, patient);
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    auto const pid = it.listener.backend_pid();
    it.listener.reconnect("no heartbeat");
    it.listener.reconnect("no heartbeat at all");
    BOOST_TEST((co_await it.next()) == "!no heartbeat at all");
    BOOST_TEST((co_await it.next()) == "+");
    BOOST_TEST((it.listener.backend_pid() != pid));
    notify("notify one, 'back'");
    BOOST_TEST((co_await it.next()) == "one:back");
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(reconnect_ends_a_pause) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto patient = settings(cluster::shared().dsn("not_yet"));
    patient.retry.first = std::chrono::minutes{10};
    patient.retry.cap = std::chrono::minutes{10};
    subject it(executor, patient);
    it.start();
    BOOST_TEST(mentions(co_await it.next(), "not_yet"));
    cluster::shared().sql("create database not_yet");
    it.listener.reconnect("now");
    BOOST_TEST((co_await it.next()) == "+");
    it.listener.stop();
    co_await it.until_run_ended();
  });
  cluster::shared().sql("drop database not_yet (force)");
}

BOOST_AUTO_TEST_CASE(keep_alive_notices_a_silent_peer) {
  proxy between(cluster::shared().port());
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener_limits limits;
    limits.keepalive_interval = 20ms;
    limits.keepalive_timeout = 300ms;
    auto hasty = hurried(through(settings(), between));
    hasty.connect_timeout = 300ms;
    subject it(executor, hasty, {"one"}, limits);
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    while (it.listener.counters().keepalives < 3)
      co_await asio::post(executor, asio::use_awaitable);
    BOOST_TEST(it.listener.counters().connects == 1u);  // it answers: nothing happens
    notify("notify one, 'a'");
    BOOST_TEST((co_await it.next()) == "one:a");
    between.stall();
    BOOST_TEST(mentions(co_await it.next(), "took too long"));
    between.pass();
    co_await it.until("+");
    notify("notify one, 'b'");
    BOOST_TEST((co_await it.next()) == "one:b");
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(notification_during_keep_alive_is_not_lost) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener_limits limits;
    limits.keepalive_interval = 1ms;
    subject it(executor, settings(), {"one"}, limits);
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    db::connection conn(executor);
    co_await conn.connect(settings());
    for (int i = 0; i < 300; ++i) {
      co_await conn.query("select pg_notify('one', $1)", i);
      BOOST_REQUIRE((co_await it.next()) == "one:" + std::to_string(i));
    }
    while (it.listener.counters().keepalives < 5)
      co_await asio::post(executor, asio::use_awaitable);
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(cut_and_half_closed_sockets_are_noticed) {
  proxy between(cluster::shared().port());
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, hurried(through(settings(), between)));
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    between.cut();
    BOOST_TEST((co_await it.next()).front() == '!');
    BOOST_TEST((co_await it.next()) == "+");
    between.half_close();
    BOOST_TEST((co_await it.next()).front() == '!');
    BOOST_TEST((co_await it.next()) == "+");
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(on_connect_that_fails_is_told) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    auto broken = settings();
    broken.on_connect = {"set no_such_setting = 1"};
    subject it(executor, broken);
    it.start();
    BOOST_TEST(mentions(co_await it.next(), "no_such_setting"));
    it.listener.stop();
  });
}

BOOST_AUTO_TEST_CASE(stop_ends_it_in_every_state) {
  proxy silent(cluster::shared().port());
  silent.stall();
  auto const local = through(settings(), silent);
  auto by_name = local;
  by_name.conninfo.replace(by_name.conninfo.find("127.0.0.1"), 9, "localhost");
  auto patient = settings(cluster::shared().dsn("nowhere"));
  patient.retry.first = std::chrono::minutes{10};
  patient.retry.cap = std::chrono::minutes{10};
  for (auto const& each : {settings(), local, by_name, patient}) {
    for (int turns = 0; turns < 40; turns += turns < 8 ? 1 : 8) {
      BOOST_TEST_CONTEXT(each.redacted() << " after " << turns << " turns") {
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
          subject it(executor, each);
          it.start();
          for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
          it.listener.stop();
          BOOST_TEST((co_await it.next()) == "stopped");
          co_await it.until_run_ended();
        });
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(destroyed_listener_ends_run_and_next) {
  proxy silent(cluster::shared().port());
  silent.stall();
  for (auto const& each : {settings(), through(settings(), silent)}) {
    for (int turns = 0; turns < 40; turns += turns < 8 ? 1 : 8) {
      run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
        int ended = 0;
        auto running = [&](asio::awaitable<void> of) -> asio::awaitable<void> {
          co_await std::move(of);
          ++ended;
        };
        auto waiting = [&](db::listener& of) -> asio::awaitable<void> {
          auto next = of.next();
          auto const first = co_await std::move(next);
          if (!first.empty()) co_return static_cast<void>(++ended);  // there was time to connect
          ++ended;
        };
        auto listener = std::make_unique<db::listener>(executor, each,
                                                       std::vector<std::string>{"one"});
        spawn(executor, running(listener->run()));
        spawn(executor, waiting(*listener));
        for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
        if (turns == 0) co_await asio::post(executor, asio::use_awaitable);  // both have begun
        listener.reset();
        while (ended < 2) co_await asio::post(executor, asio::use_awaitable);
      });
    }
  }
}

BOOST_AUTO_TEST_CASE(cancelled_run_is_a_stop) {
  for (int turns = 0; turns < 64; turns = turns * 2 + 1) {
    run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
      db::listener listener(executor, settings(), {"one"});
      asio::cancellation_signal cancel;
      std::exception_ptr thrown;
      bool ended = false;
      auto handler = asio::bind_cancellation_slot(cancel.slot(), [&](std::exception_ptr by) {
        thrown = by;
        ended = true;
      });
      asio::co_spawn(executor, listener.run(), std::move(handler));
      for (int i = 0; i < turns; ++i) co_await asio::post(executor, asio::use_awaitable);
      cancel.emit(asio::cancellation_type::terminal);
      while (!ended) co_await asio::post(executor, asio::use_awaitable);
      auto const rest = co_await listener.next();
      BOOST_TEST(rest.empty());
      try {
        if (thrown) std::rethrow_exception(thrown);
        BOOST_ERROR("it ended without an error");
      } catch (boost::system::system_error const& caught) {
        BOOST_TEST((caught.code() == asio::error::operation_aborted));
      }
    });
  }
}

BOOST_AUTO_TEST_CASE(stopped_before_run_ends_at_once) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    db::listener listener(executor, settings(), {"one"});
    listener.reconnect("not running yet");  // nothing to do
    listener.stop();
    co_await listener.run();
    BOOST_TEST(listener.counters().connects == 0u);
  });
}

BOOST_AUTO_TEST_CASE(second_run_and_second_next_are_refused) {
  run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
    subject it(executor, settings());
    it.start();
    BOOST_TEST((co_await it.next()) == "+");
    auto const run_again = co_await failure_of(it.listener.run());
    BOOST_TEST((run_again.code() == db::errc::busy));
    bool ended = false;
    auto waiting = [&]() -> asio::awaitable<void> {
      auto const events = co_await it.listener.next();
      ended = events.empty();
    };
    spawn(executor, waiting());
    co_await asio::post(executor, asio::use_awaitable);
    auto const next_again = co_await failure_of(it.listener.next());
    BOOST_TEST((next_again.code() == db::errc::busy));
    it.listener.stop();
    while (!ended) co_await asio::post(executor, asio::use_awaitable);
  });
}

BOOST_AUTO_TEST_CASE(context_may_end_first) {
  for (int turns = 0; turns < 40; turns += 3) {
    asio::io_context context;
    db::listener listener(context.get_executor(), settings(), {"one"});
    auto consume = [&]() -> asio::awaitable<void> {
      for (;;) co_await listener.next();
    };
    spawn(context.get_executor(), listener.run());
    spawn(context.get_executor(), consume());
    for (int i = 0; i < turns; ++i) context.run_one_for(20ms);
    BOOST_TEST(!context.stopped());
  }
}

BOOST_AUTO_TEST_SUITE_END()
