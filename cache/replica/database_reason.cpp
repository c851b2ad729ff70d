#include <pgtally/cache/replica/database_reason.hpp>

#include <pgtally/cache/replica/explain.hpp>

namespace pgtally {

namespace {

using kind = cache::reason::kind;

kind kind_of(db::error_code const& code, db::sqlstate const& state, kind otherwise)
{
    if (code == db::errc::read_only || state.is("25006")) return kind::read_only;
    if (code == db::errc::bad_config || code == db::errc::tls_failed) return kind::misconfigured;
    // 28: the role or its password; 3D: the database.
    if (code == db::errc::login_failed || state.in_class("28") || state.in_class("3D")) return kind::refused;
    if (code == db::errc::timed_out) return kind::no_answer;
    bool const broken =
        code == db::errc::connect_failed || code == db::errc::connection_lost || code == db::errc::closed;
    // 08: the connection; 53300: no connection is left; 57P: a shutdown, a crash, a start.
    if (broken || state.in_class("08") || state.is("53300") || state.view().starts_with("57P")) {
        return kind::unreachable;
    }
    return otherwise;
}

}  // namespace

kind kind_of(db::error const& e, kind otherwise)
{
    return kind_of(e.code(), e.state(), otherwise);
}

cache::reason database_reason(db::error const& e, kind otherwise)
{
    return {kind_of(e, otherwise), with_remedy(e.what(), remedy_for(e))};
}

cache::reason database_reason(db::lost const& e)
{
    return {kind_of(e.code, e.state, kind::unreachable), with_remedy(e.reason, e.remedy)};
}

}  // namespace pgtally
