#include <pgtally/db/detail/connection_core.hpp>
#include <pgtally/db/detail/retrying.hpp>
#include <pgtally/db/transaction.hpp>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <limits>
#include <utility>

namespace pgtally::db {

using detail::connection_core;

struct detail::transaction_state {
    static constexpr std::uint64_t unspoilt = std::numeric_limits<std::uint64_t>::max();

    explicit transaction_state(std::shared_ptr<connection_core> of)
        : core(std::move(of)), number(core->number_transaction())
    {
    }
    transaction_state(transaction_state const&) = delete;
    transaction_state& operator=(transaction_state const&) = delete;
    // Bodies of savepoints may outlive the transaction object. They own this state, which ends only after them.
    ~transaction_state() { leave(); }

    void leave() noexcept
    {
        if (!std::exchange(ended, true)) core->leave_transaction(number);
    }

    /// False if the transaction was left, or if its connection was closed, even if that has reconnected since.
    [[nodiscard]] bool is_current() const noexcept { return !ended && core->has(number); }

    std::shared_ptr<connection_core> core;
    connection_core::transaction_number number;
    std::uint64_t savepoints = 0;  // created so far
    // The first savepoint that could not be undone. Later savepoints have greater numbers.
    std::uint64_t spoilt = unspoilt;
    bool ended = false;
};

namespace {

error refused(connection_core const& core, std::string_view what, std::string_view state, std::string_view why)
{
    diagnostics said;
    said.state = sqlstate(state);
    said.primary = why;
    auto line = detail::failure_line(std::string(what) + " on " + core.description(), why, said.state);
    return error(errc::server_error, std::move(line), std::move(said));
}

// Returns the core for a statement of the transaction. Throws if the transaction has ended, because the statement
// would otherwise run outside it. A closed connection throws its own error later.
std::shared_ptr<connection_core> usable(detail::transaction_state const& state, std::string_view what)
{
    if (state.core->is_open() && !state.is_current())
        throw refused(*state.core, what, "25P01", "the transaction has ended already");
    return state.core;
}

std::string name_of(detail::savepoint_number number)
{
    return "pgtally_" + std::to_string(static_cast<std::uint64_t>(number));
}

}  // namespace

std::string detail::begin_statement(transaction_options const& options)
{
    std::string sql("begin");
    switch (options.level) {
        case isolation::server_default: break;
        case isolation::read_committed: sql += " isolation level read committed"; break;
        case isolation::repeatable_read: sql += " isolation level repeatable read"; break;
        case isolation::serializable: sql += " isolation level serializable"; break;
    }
    switch (options.mode) {
        case access::server_default: break;
        case access::read_write: sql += " read write"; break;
        case access::read_only: sql += " read only"; break;
    }
    if (options.deferrable) sql += " deferrable";
    return sql;
}

transaction::transaction(detail::transaction_state_ptr state) noexcept : state_(std::move(state)) {}
transaction::transaction() noexcept = default;
transaction::transaction(transaction&& other) noexcept = default;

transaction& transaction::operator=(transaction&& other) noexcept
{
    if (this != &other) {
        if (state_) state_->leave();
        state_ = std::move(other.state_);
    }
    return *this;
}

transaction::~transaction()
{
    if (state_) state_->leave();
}

asio::awaitable<result_set> transaction::run(detail::transaction_state_ptr state, std::string sql, params values,
                                             bool binary)
{
    auto core = usable(*state, "query");
    auto result = co_await connection_core::query(std::move(core), std::move(sql), std::move(values), binary);
    co_return result;
}

asio::awaitable<void> transaction::run_script(detail::transaction_state_ptr state, std::string sql)
{
    auto core = usable(*state, "script");
    co_await connection_core::script(std::move(core), std::move(sql));
}

asio::awaitable<transaction> begin(connection& conn, transaction_options options)
{
    return transaction::start(conn, options);
}

asio::awaitable<transaction> transaction::start(connection& conn, transaction_options options)
{
    return start(conn.core_, options);
}

asio::awaitable<transaction> transaction::start(core_ptr core, transaction_options options)
{
    co_await connection_core::settled(core);
    if (core->in_transaction())
        throw refused(*core, "begin", "25001", "a transaction is open already: use a savepoint");
    // Throws busy before the state exists: the operation in progress may belong to another transaction.
    static_cast<void>(connection_core::operation(core, "begin on", std::string()));
    auto state = std::make_shared<detail::transaction_state>(core);  // from here on, its destructor rolls back
    auto sql = detail::begin_statement(options);
    co_await connection_core::query(core, std::move(sql), params(), false);
    co_return transaction(std::move(state));
}

asio::awaitable<void> transaction::script(std::string sql)
{
    return run_script(state_, std::move(sql));
}

bool transaction::is_open() const noexcept
{
    return state_ && state_->is_current() && state_->core->is_open();
}

asio::any_io_executor transaction::executor() const noexcept
{
    return state_->core->executor();
}

asio::awaitable<void> transaction::commit()
{
    return detail::commit(state_);
}

asio::awaitable<void> transaction::rollback()
{
    return detail::rollback(state_);
}

asio::awaitable<void> detail::commit(transaction_state_ptr state)
{
    auto const core = usable(*state, "commit");
    if (state->ended) throw refused(*core, "commit", "25P01", "the transaction has ended already");
    co_await connection_core::settled(core);
    static_cast<void>(usable(*state, "commit"));
    if (core->is_open() && !core->in_transaction()) {
        state->ended = true;
        throw refused(*core, "commit", "25P01", "the transaction was ended by a statement in it");
    }
    if (state->spoilt != transaction_state::unspoilt) {
        state->leave();
        throw refused(*core, "commit", "25P02", "a savepoint that failed could not be undone: rolled back");
    }
    struct end {
        transaction_state& of;
        ~end()
        {
            // However the commit ended, except if it was refused because another operation is in progress.
            if (!of.core->is_busy()) of.leave();
        }
    } const at_end{*state};
    auto const result = co_await connection_core::query(core, std::string("commit"), params(), false);
    if (result.tag() == "COMMIT") co_return;
    throw refused(*core, "commit", "25P02", "rolled back, because a statement in the transaction had failed");
}

asio::awaitable<void> detail::rollback(transaction_state_ptr state)
{
    auto const core = state->core;
    state->leave();
    co_await connection_core::settled(core);
}

asio::awaitable<detail::savepoint_number> detail::enter_savepoint(transaction_state_ptr state)
{
    auto const core = usable(*state, "savepoint");
    auto const number = savepoint_number(++state->savepoints);
    auto sql = "savepoint " + name_of(number);
    co_await connection_core::query(core, std::move(sql), params(), false);
    co_return number;
}

asio::awaitable<void> detail::keep_savepoint(transaction_state_ptr state, savepoint_number which)
{
    auto const core = usable(*state, "release savepoint");
    // In an aborted transaction this fails with 25P02, which is right: the body swallowed an error.
    auto sql = "release savepoint " + name_of(which);
    co_await connection_core::query(core, std::move(sql), params(), false);
}

void detail::spoil(transaction_state_ptr const& state, savepoint_number which) noexcept
{
    state->spoilt = std::min(state->spoilt, static_cast<std::uint64_t>(which));
}

asio::awaitable<void> detail::undo_savepoint(transaction_state_ptr state, savepoint_number which)
{
    auto const core = usable(*state, "rollback to savepoint");
    auto sql = "rollback to savepoint " + name_of(which) + "; release savepoint " + name_of(which);
    co_await connection_core::script(core, std::move(sql));
    if (state->spoilt >= static_cast<std::uint64_t>(which)) state->spoilt = transaction_state::unspoilt;
}

std::shared_ptr<detail::retrying> detail::start_retrying(retry_options options)
{
    return std::make_shared<retrying>(options);
}

asio::awaitable<bool> detail::again(connection& conn, std::shared_ptr<retrying> attempts, std::exception_ptr failure)
{
    co_await conn.settled();
    if (!conn.is_open()) co_return false;
    auto const pause = attempts->next(failure);
    if (!pause) co_return false;
    asio::steady_timer timer(conn.executor(), *pause);
    co_await timer.async_wait(asio::use_awaitable);
    co_return true;
}

}  // namespace pgtally::db
