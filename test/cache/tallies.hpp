#pragma once

// Tallies in the states that tests begin with.

#include <pgtally/cache/tally.hpp>

#include <boost/test/unit_test.hpp>

#include <memory>
#include <string>
#include <vector>

namespace pgtally::test {

inline cache::definition tweets(std::string key_type = "bigint")
{
    return {"tweets", "tweet.activity", std::move(key_type), {"rts", "favs"}, {}, "tweets"};
}

inline std::vector<std::int64_t> row(std::int64_t rts, std::int64_t favs)
{
    return {rts, favs};
}

inline cache::key number(std::int64_t n)
{
    return {{}, n};
}

inline cache::fence snapshot(char const* text)
{
    return *cache::fence::parse(text);
}

inline cache::event decoded(std::string const& payload)
{
    cache::event e;
    BOOST_TEST_REQUIRE((cache::decode(payload, e) == cache::event_error::none), payload);
    return e;
}

inline cache::event deltas(std::uint64_t transaction, std::string const& key, std::int64_t rts, std::int64_t favs)
{
    return decoded(R"({"t":"tweets","x":")" + std::to_string(transaction) + R"(","n":1,"at":1,"d":[[")" + key + "\"," +
                   std::to_string(rts) + "," + std::to_string(favs) + "]]}");
}

inline cache::event simple(cache::event::kind what, std::uint64_t transaction)
{
    auto e = decoded(R"({"t":"tweets","x":")" + std::to_string(transaction) + R"(","n":1,"at":1,"reload":true})");
    e.what = what;
    return e;
}

inline cache::event uncounted(std::uint64_t transaction, std::string const& message)
{
    return decoded(R"({"t":"tweets","x":")" + std::to_string(transaction) + R"(","n":1,"broken":")" + message + "\"}");
}

inline cache::load_report finish(cache::tally& t)
{
    t.await_barrier("the barrier");
    auto const report = t.barrier_back("the barrier");
    BOOST_TEST_REQUIRE(report.has_value());
    return *report;
}

// A live tally without rows, loaded with this fence.
inline std::unique_ptr<cache::tally> loaded_tally(char const* fence, cache::limits const& bounds = {},
                                                  cache::definition what = tweets())
{
    auto t = std::make_unique<cache::tally>(std::move(what), bounds);
    t->begin_load();
    BOOST_TEST_REQUIRE(!t->set_fence(snapshot(fence)));
    finish(*t);
    return t;
}

inline std::vector<std::int64_t> shown(cache::tally const& t, std::string const& key)
{
    auto const values = t.counters(*cache::parse_key(t.definition().kind(), key));
    return {values.begin(), values.end()};
}

}  // namespace pgtally::test

// Boost.Test prints what it compares.
namespace std {
inline ostream& operator<<(ostream& out, vector<int64_t> const& values)
{
    out << '{';
    for (auto const value : values) out << ' ' << value;
    return out << " }";
}
}  // namespace std
