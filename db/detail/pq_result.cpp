// Results, notifications, and their texts.

#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/pq_text.hpp>

#include <libpq-fe.h>

namespace pgtally::db::pq {

std::string one_line(std::string_view text)
{
    std::string line;
    while (!text.empty()) {
        auto const end = text.find('\n');
        auto part = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        while (!part.empty() && (part.front() == ' ' || part.front() == '\t')) part.remove_prefix(1);
        if (part.empty() || part.starts_with("LOCATION:")) continue;
        if (!line.empty()) line += "; ";
        line += part;
    }
    return line;
}

diagnostics to_diagnostics(PGresult const* raw)
{
    diagnostics said;
    said.state = sqlstate(view(PQresultErrorField(raw, PG_DIAG_SQLSTATE)));
    said.primary = view(PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY));
    said.detail = view(PQresultErrorField(raw, PG_DIAG_MESSAGE_DETAIL));
    said.hint = view(PQresultErrorField(raw, PG_DIAG_MESSAGE_HINT));
    if (said.primary.empty()) said.primary = one_line(view(PQresultErrorMessage(raw)));
    return said;
}

void result::clear::operator()(pg_result* raw) const noexcept
{
    PQclear(raw);
}

status result::state() const noexcept
{
    switch (PQresultStatus(raw_.get())) {
        case PGRES_EMPTY_QUERY: return status::empty;
        case PGRES_COMMAND_OK: return status::command_ok;
        case PGRES_TUPLES_OK: return status::tuples_ok;
        case PGRES_SINGLE_TUPLE: return status::single_tuple;
        case PGRES_COPY_IN: return status::copy_in;
        case PGRES_COPY_OUT: return status::copy_out;
        case PGRES_COPY_BOTH: return status::copy_both;
        case PGRES_PIPELINE_SYNC: return status::pipeline_sync;
        case PGRES_PIPELINE_ABORTED: return status::pipeline_aborted;
        default: return status::failed;
    }
}

std::size_t result::rows() const noexcept
{
    return static_cast<std::size_t>(PQntuples(raw_.get()));
}

std::size_t result::columns() const noexcept
{
    return static_cast<std::size_t>(PQnfields(raw_.get()));
}

std::string_view result::name(std::size_t column) const noexcept
{
    return view(PQfname(raw_.get(), static_cast<int>(column)));
}

std::uint32_t result::type_oid(std::size_t column) const noexcept
{
    return PQftype(raw_.get(), static_cast<int>(column));
}

bool result::is_null(std::size_t row, std::size_t column) const noexcept
{
    return PQgetisnull(raw_.get(), static_cast<int>(row), static_cast<int>(column)) != 0;
}

std::string_view result::value(std::size_t row, std::size_t column) const noexcept
{
    auto const r = static_cast<int>(row);
    auto const c = static_cast<int>(column);
    auto const length = static_cast<std::size_t>(PQgetlength(raw_.get(), r, c));
    return {PQgetvalue(raw_.get(), r, c), length};
}

std::string_view result::affected() const noexcept
{
    return raw_ == nullptr ? std::string_view() : view(PQcmdTuples(raw_.get()));
}

std::string_view result::tag() const noexcept
{
    return raw_ == nullptr ? std::string_view() : view(PQcmdStatus(raw_.get()));
}

diagnostics result::said() const
{
    return to_diagnostics(raw_.get());
}

std::string_view result::raised_by() const noexcept
{
    return view(PQresultErrorField(raw_.get(), PG_DIAG_SOURCE_FUNCTION));
}

bool result::has_context() const noexcept
{
    return !view(PQresultErrorField(raw_.get(), PG_DIAG_CONTEXT)).empty();
}

// Measures each text once, because millions may arrive.
notify::notify(pgNotify* raw) noexcept : raw_(raw)
{
    if (raw == nullptr) return;
    channel_ = view(raw->relname);
    payload_ = view(raw->extra);
    sender_ = raw->be_pid;
}

void notify::free::operator()(pgNotify* raw) const noexcept
{
    PQfreemem(raw);
}

}  // namespace pgtally::db::pq
