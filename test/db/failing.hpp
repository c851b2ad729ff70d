#pragma once

#include <pgtally/test/db/fixture.hpp>

#include <string>

namespace pgtally::test {

/// A connection string that must fail, and how.
struct failing {
    std::string conninfo;
    db::errc code;
    char const* state;
    char const* remedy;  ///< a part of it
};

struct failing_fixture : db_fixture {
    /// Returns the error, which has the code, is permanent if the code says so, and has no password in it.
    db::error fails(failing const& with, std::string const& what)
    {
        db::error result;
        run([&](asio::any_io_executor executor) -> asio::awaitable<void> {
            db::connection conn(executor);
            result = co_await failure_of(conn.connect(settings(with.conninfo)));
            check(with, result, what);
        });
        return result;
    }

    static void check(failing const& with, db::error const& refused, std::string const& what)
    {
        bool const permanent = with.code != db::errc::connect_failed && with.code != db::errc::read_only;
        BOOST_TEST((refused.code() == with.code), what << ": " << refused.what());
        BOOST_TEST(refused.permanent() == permanent, what);
        BOOST_TEST(refused.state().view() == with.state, what);
        BOOST_TEST(mentions(db::remedy_of(refused), with.remedy), what << ": " << db::remedy_of(refused));
        BOOST_TEST(!mentions(refused.what(), "sesame"), what);
    }
};

}  // namespace pgtally::test
