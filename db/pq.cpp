#include <pgtally/db/params.hpp>
#include <pgtally/db/pq.hpp>

#include <libpq-fe.h>
#include <openssl/ssl.h>

#include <new>

namespace pgtally::db::pq {
namespace {

// Notices that nobody has fetched yet: a statement may raise millions before it ends.
constexpr std::size_t max_notices = 100;

std::string_view view(char const* text) noexcept
{
    return text == nullptr ? std::string_view() : std::string_view(text);
}

// libpq's messages end their lines with a newline and may have several; what verbosity adds about
// the server's source code is for nobody here.
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

// libpq quotes the piece that it could not parse, which may be a piece of a password: what stands
// between the first and the last quote goes.
std::string without_quoted(std::string const& text)
{
    auto const first = text.find('"');
    auto const last = text.rfind('"');
    if (first == std::string::npos || first == last) return text.substr(0, first);
    return text.substr(0, first + 1) + "..." + text.substr(last);
}

struct free_options {
    void operator()(PQconninfoOption* raw) const noexcept { PQconninfoFree(raw); }
};
using option_list = std::unique_ptr<PQconninfoOption, free_options>;

// Secrets (dispchar "*") only where they are to be passed on.
options to_options(option_list const& list, bool secrets)
{
    options result;
    for (auto const* option = list.get(); option != nullptr && option->keyword != nullptr; ++option) {
        if (option->val == nullptr || option->val[0] == '\0') continue;
        if (!secrets && option->dispchar[0] == '*') continue;
        result.emplace(option->keyword, option->val);
    }
    return result;
}

PGconn* start(options const& wanted)
{
    std::vector<char const*> keywords;
    std::vector<char const*> values;
    for (auto const& [keyword, value] : wanted) {
        keywords.push_back(keyword.c_str());
        values.push_back(value.c_str());
    }
    keywords.push_back(nullptr);
    values.push_back(nullptr);
    return PQconnectStartParams(keywords.data(), values.data(), 0);
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

// Called inside libpq: copies, and does nothing else.
extern "C" void pgtally_db_take_notice(void* context, PGresult const* raw)
{
    auto& notices = *static_cast<std::deque<notice>*>(context);
    try {
        if (notices.size() >= max_notices) notices.pop_front();
        auto const severity = view(PQresultErrorField(raw, PG_DIAG_SEVERITY_NONLOCALIZED));
        notices.push_back(notice{std::string(severity), to_diagnostics(raw)});
    } catch (std::bad_alloc const&) {
        // No exception can pass through libpq; a notice may be lost.
    }
}

std::string shown(std::string_view text)
{
    return text.find('@') == std::string_view::npos ? std::string(text) : std::string("...");
}

}  // namespace

options parse(std::string const& conninfo)
{
    char* raw_message = nullptr;
    option_list const list(PQconninfoParse(conninfo.c_str(), &raw_message));
    std::string message = without_quoted(one_line(view(raw_message)));
    PQfreemem(raw_message);
    if (!list) throw error(errc::bad_config, "the connection string is not valid: " + message);
    return to_options(list, true);
}

options effective(options const& named)
{
    // Only a PGconn knows what the service file says. One that is refused for an impossible
    // gssencmode has looked at everything, and has neither resolved a name nor opened a socket.
    auto impossible = named;
    impossible.insert_or_assign("gssencmode", "?");
    std::unique_ptr<PGconn, decltype(&PQfinish)> const refused(start(impossible), &PQfinish);
    if (!refused) throw std::bad_alloc();
    option_list const list(PQconninfo(refused.get()));
    auto result = to_options(list, false);
    result.erase("gssencmode");
    return result;
}

std::string_view get(options const& from, std::string_view keyword) noexcept
{
    auto const found = from.find(keyword);
    return found == from.end() ? std::string_view() : std::string_view(found->second);
}

std::string describe(std::string_view places, std::string_view database, std::string_view user)
{
    std::string text(places);
    text += "/" + shown(database.empty() ? user : database);
    if (!user.empty()) text += " as " + shown(user);
    return text;
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
        case PGRES_TUPLES_OK:
        case PGRES_SINGLE_TUPLE: return status::tuples_ok;
        case PGRES_COPY_OUT:
        case PGRES_COPY_IN:
        case PGRES_COPY_BOTH: return status::copy;
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

void notify::free::operator()(pgNotify* raw) const noexcept
{
    PQfreemem(raw);
}
std::string_view notify::channel() const noexcept
{
    return view(raw_->relname);
}
std::string_view notify::payload() const noexcept
{
    return view(raw_->extra);
}
std::int32_t notify::sender() const noexcept
{
    return raw_->be_pid;
}

void conn::finish::operator()(pg_conn* raw) const noexcept
{
    PQfinish(raw);
}

conn::conn(options const& wanted) : notices_(std::make_unique<std::deque<notice>>()), raw_(start(wanted))
{
    if (!raw_) throw std::bad_alloc();
    PQsetNoticeReceiver(raw_.get(), &pgtally_db_take_notice, notices_.get());
    // The one way to learn the SQLSTATE of a refused login: VERBOSE writes it into the message.
    PQsetErrorVerbosity(raw_.get(), PQERRORS_VERBOSE);
}

bool conn::bad() const noexcept
{
    return PQstatus(raw_.get()) == CONNECTION_BAD;
}
int conn::socket() const noexcept
{
    return PQsocket(raw_.get());
}

poll conn::connect_poll() noexcept
{
    switch (PQconnectPoll(raw_.get())) {
        case PGRES_POLLING_READING: return poll::reading;
        case PGRES_POLLING_WRITING: return poll::writing;
        case PGRES_POLLING_OK: return poll::ok;
        default: return poll::failed;
    }
}

bool conn::needs_password() const noexcept
{
    return PQconnectionNeedsPassword(raw_.get()) != 0;
}

diagnostics conn::connect_failure() const
{
    diagnostics said;
    said.primary = message();
    // "FATAL:  28P01: password authentication failed": two blanks, the state, a colon. With several
    // attempts (without TLS after with, ...) the last one counts.
    constexpr std::size_t before = 3, length = 5;
    for (auto at = said.primary.find(":  "); at != std::string::npos; at = said.primary.find(":  ", at + 1)) {
        auto const state = sqlstate(std::string_view(said.primary).substr(at + before, length));
        if (state.empty() || said.primary.compare(at + before + length, 2, ": ") != 0) continue;
        said.state = state;
        said.primary.erase(at + before, length + 2);
    }
    return said;
}

bool conn::finish_connect() noexcept
{
    PQsetErrorVerbosity(raw_.get(), PQERRORS_DEFAULT);
    return PQsetnonblocking(raw_.get(), 1) == 0;
}

bool conn::send_query(std::string const& sql) noexcept
{
    return PQsendQuery(raw_.get(), sql.c_str()) == 1;
}

bool conn::send_query(std::string const& sql, params const& values, bool binary)
{
    auto const sent = values.to_wire();
    return PQsendQueryParams(raw_.get(), sql.c_str(), static_cast<int>(values.size()), sent.types.data(),
                             sent.values.data(), sent.lengths.data(), sent.formats.data(), binary ? 1 : 0) == 1;
}

flushed conn::flush() noexcept
{
    switch (PQflush(raw_.get())) {
        case 0: return flushed::all;
        case 1: return flushed::some;
        default: return flushed::failed;
    }
}

bool conn::enter_pipeline() noexcept
{
    return PQenterPipelineMode(raw_.get()) == 1;
}

bool conn::send_prepare(std::string const& name, std::string const& sql, params const& values)
{
    auto const types = values.to_wire().types;
    return PQsendPrepare(raw_.get(), name.c_str(), sql.c_str(), static_cast<int>(types.size()), types.data()) == 1;
}

bool conn::send_prepared(std::string const& name, params const& values, bool binary)
{
    auto const sent = values.to_wire();
    return PQsendQueryPrepared(raw_.get(), name.c_str(), static_cast<int>(values.size()), sent.values.data(),
                               sent.lengths.data(), sent.formats.data(), binary ? 1 : 0) == 1;
}

bool conn::send_sync() noexcept
{
#ifdef LIBPQ_HAS_SEND_PIPELINE_SYNC
    return PQsendPipelineSync(raw_.get()) == 1;
#else
    return PQpipelineSync(raw_.get()) == 1;  // which flushes, too: there is no other before libpq 17
#endif
}

bool conn::consume_input() noexcept
{
    if (PQconsumeInput(raw_.get()) != 1) return false;
    if (PQsslInUse(raw_.get()) == 0) return true;
    auto* const tls = static_cast<SSL*>(PQsslStruct(raw_.get(), "OpenSSL"));
    while (tls != nullptr && SSL_pending(tls) > 0) {
        if (PQconsumeInput(raw_.get()) != 1) return false;
    }
    return true;
}

bool conn::is_busy() noexcept
{
    return PQisBusy(raw_.get()) != 0;
}
result conn::get_result() noexcept
{
    return result(PQgetResult(raw_.get()));
}
notify conn::next_notify() noexcept
{
    return notify(PQnotifies(raw_.get()));
}

std::optional<notice> conn::next_notice()
{
    if (notices_->empty()) return std::nullopt;
    std::optional<notice> front(std::move(notices_->front()));
    notices_->pop_front();
    return front;
}

std::string conn::message() const
{
    return one_line(view(PQerrorMessage(raw_.get())));
}

std::string conn::describe() const
{
    auto const* const raw = raw_.get();
    auto const place = std::string(view(PQhost(raw))) + ":" + std::string(view(PQport(raw)));
    return pq::describe(place, view(PQdb(raw)), view(PQuser(raw)));
}

int conn::server_version() const noexcept
{
    return PQserverVersion(raw_.get());
}
std::int32_t conn::backend_pid() const noexcept
{
    return PQbackendPID(raw_.get());
}

bool conn::in_transaction() const noexcept
{
    auto const state = PQtransactionStatus(raw_.get());
    return state == PQTRANS_INTRANS || state == PQTRANS_INERROR;
}

}  // namespace pgtally::db::pq
