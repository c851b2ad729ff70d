#include <pgtally/cache/replica/database_reason.hpp>

#include <boost/test/unit_test.hpp>

#include <string>

BOOST_AUTO_TEST_SUITE(test_database_reason)

using namespace pgtally;
using kind = cache::reason::kind;

namespace {

db::error error_of(db::errc code, char const* state = "", std::string text = "at db.example:5432/shop as counters")
{
    db::diagnostics said;
    said.state = db::sqlstate{state};
    return {code, std::move(text), std::move(said)};
}

}  // namespace

BOOST_AUTO_TEST_CASE(kind_is_that_of_the_connection_or_that_of_the_statement)
{
    struct row {
        db::errc code;
        char const* state;
        kind wanted;
    };
    for (auto const& [code, state, wanted] :
         {row{db::errc::connect_failed, "", kind::unreachable},
          row{db::errc::connection_lost, "57P01", kind::unreachable},
          row{db::errc::connect_failed, "53300", kind::unreachable},
          row{db::errc::server_error, "53300", kind::unreachable},
          row{db::errc::server_error, "53100", kind::load_failed},
          row{db::errc::server_error, "53400", kind::load_failed}, row{db::errc::login_failed, "28P01", kind::refused},
          row{db::errc::login_failed, "3D000", kind::refused}, row{db::errc::login_failed, "", kind::refused},
          row{db::errc::bad_config, "", kind::misconfigured}, row{db::errc::timed_out, "", kind::no_answer},
          row{db::errc::server_error, "25006", kind::read_only},
          row{db::errc::server_error, "22012", kind::load_failed},
          row{db::errc::server_error, "42501", kind::load_failed}}) {
        BOOST_TEST_CONTEXT(static_cast<int>(code) << ' ' << state)
        {
            auto const e = error_of(code, state);
            BOOST_TEST((kind_of(e, kind::load_failed) == wanted));
            BOOST_TEST((database_reason(e, kind::load_failed).what() == wanted));
        }
    }
}

BOOST_AUTO_TEST_CASE(text_is_whole_the_public_sentence_names_nothing)
{
    auto const why = database_reason(error_of(db::errc::login_failed, "28P01"), kind::unreadable);
    BOOST_TEST(why.text().starts_with("at db.example:5432/shop as counters; correct the password"));
    BOOST_TEST(why.in_public() == "the database refuses the connection");
}

BOOST_AUTO_TEST_CASE(standby_is_read_only_and_has_a_remedy)
{
    db::lost const gone{
        .reason = "connection failed: session is read-only", .code = db::errc::read_only, .remedy = "name the primary"};
    auto const why = database_reason(gone);
    BOOST_TEST((why.what() == kind::read_only));
    BOOST_TEST((why.text().find("name the primary") != std::string::npos));
}

BOOST_AUTO_TEST_SUITE_END()
