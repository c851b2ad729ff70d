#pragma once

// Transport `notify`: events are notifications on channel "tally".

#include <pgtally/cache/replica/transport.hpp>
#include <pgtally/db/config.hpp>

#include <boost/asio/any_io_executor.hpp>

#include <memory>

namespace pgtally {

std::unique_ptr<transport> make_notify_transport(boost::asio::any_io_executor executor, db::config database);

}  // namespace pgtally
