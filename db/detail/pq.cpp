#include <pgtally/db/detail/pq.hpp>
#include <pgtally/db/detail/pq_text.hpp>
#include <pgtally/db/params.hpp>

#include <libpq-fe.h>
#include <openssl/ssl.h>

#include <new>

namespace pgtally::db::pq {
namespace {

// The number of notices that are kept; a statement may raise millions before it ends.
constexpr std::size_t max_notices = 100;

// Called inside libpq (PQsetNoticeReceiver): only copies.
extern "C" void pgtally_db_take_notice(void* context, PGresult const* raw)
{
    auto& notices = *static_cast<std::deque<notice>*>(context);
    try {
        if (notices.size() >= max_notices) notices.pop_front();
        auto const severity = view(PQresultErrorField(raw, PG_DIAG_SEVERITY_NONLOCALIZED));
        notices.push_back(notice{std::string(severity), to_diagnostics(raw)});
    } catch (std::bad_alloc const&) {
        // No exception may pass through libpq; a notice may be lost.
    }
}

}  // namespace

void conn::finish::operator()(pg_conn* raw) const noexcept
{
    PQfinish(raw);
}

conn::conn(options const& wanted) : notices_(std::make_unique<std::deque<notice>>()), raw_(start(wanted))
{
    if (!raw_) throw std::bad_alloc();
    PQsetNoticeReceiver(raw_.get(), &pgtally_db_take_notice, notices_.get());
    // VERBOSE puts the SQLSTATE of a refused login into the message. There is no other way to learn it.
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
    // "FATAL:  28P01: password authentication failed": two blanks, the SQLSTATE, a colon. If there were several
    // attempts (without TLS after with TLS, ...), the last one counts.
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

bool conn::single_rows() noexcept
{
    return PQsetSingleRowMode(raw_.get()) == 1;
}

copied conn::get_copy(std::string& into)
{
    constexpr int without_waiting = 1;
    char* raw = nullptr;
    auto const length = PQgetCopyData(raw_.get(), &raw, without_waiting);
    std::unique_ptr<char, decltype(&PQfreemem)> const row(raw, &PQfreemem);
    if (length == 0) return copied::wait;
    if (length < 0) return copied::end;
    into.append(row.get(), static_cast<std::size_t>(length));
    return copied::row;
}

copied conn::get_copy(copy_message& into) noexcept
{
    constexpr int without_waiting = 1;
    char* raw = nullptr;
    auto const length = PQgetCopyData(raw_.get(), &raw, without_waiting);
    if (length == 0) return copied::wait;
    if (length < 0) return copied::end;
    into = copy_message(raw, static_cast<std::size_t>(length));
    return copied::row;
}

void copy_message::free::operator()(char* raw) const noexcept
{
    PQfreemem(raw);
}

bool conn::put_copy(std::string_view data) noexcept
{
    return PQputCopyData(raw_.get(), data.data(), static_cast<int>(data.size())) == 1;
}

bool conn::end_copy(char const* reason) noexcept
{
    return PQputCopyEnd(raw_.get(), reason) == 1;
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
    return PQpipelineSync(raw_.get()) == 1;  // also flushes; PQsendPipelineSync exists since libpq 17
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

bool conn::is_active() const noexcept
{
    return PQtransactionStatus(raw_.get()) == PQTRANS_ACTIVE;
}

}  // namespace pgtally::db::pq
