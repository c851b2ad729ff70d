#pragma once

namespace pgtally {

// Why a load began: the metric's `cause`.
enum class load_cause { start, reconnect, reload, definition, reset, retry, audit };

}  // namespace pgtally
