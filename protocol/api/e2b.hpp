#pragma once
// The E2B-compatible endpoint: opening it, what its clients need, and faults for tests.

#include "protocol/api/method.hpp"

namespace swarm::api {

struct E2bOpenRequest {
  std::optional<std::string> listen;
  std::optional<std::string> domain;
  std::optional<std::string> certificate;
  std::optional<std::string> key;
  bool operator==(const E2bOpenRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("E2bOpenRequest", "How to serve; what is absent is as configured in [e2b_endpoint].");
    d.field("listen", &E2bOpenRequest::listen, "Address and port: \"127.0.0.1:3999\"; port 0 takes a free one.")
        .non_empty()
        .max_length(300);
    d.field("domain", &E2bOpenRequest::domain,
            "The domain under which ports of sandboxes are reached, as `<port>-<sandbox>.<domain>`; with a port where "
            "it is not the usual one.")
        .max_length(253);
    d.field("certificate", &E2bOpenRequest::certificate, "PEM file of the certificate chain; then TLS is spoken.")
        .max_length(4096);
    d.field("key", &E2bOpenRequest::key, "PEM file of its key.").max_length(4096);
  }
};

struct E2bStatus {
  bool open = false;
  std::optional<std::string> url;
  std::optional<std::string> domain;
  std::optional<std::string> api_key;
  std::uint64_t sandboxes = 0;
  std::uint64_t connections = 0;
  std::uint64_t faults = 0;
  std::uint64_t refused_too_fast = 0;
  std::uint64_t refused_too_many = 0;
  bool operator==(const E2bStatus&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("E2bStatus", "The E2B-compatible endpoint.");
    d.field("open", &E2bStatus::open, "It serves.").required();
    d.field("url", &E2bStatus::url, "Where: for E2B_API_URL and E2B_SANDBOX_URL.");
    d.field("domain", &E2bStatus::domain, "The domain of the sandboxes' ports.");
    d.field("api_key", &E2bStatus::api_key, "What clients have to send: for E2B_API_KEY.").secret();
    d.field("sandboxes", &E2bStatus::sandboxes, "Sandboxes that were made through it and live.");
    d.field("connections", &E2bStatus::connections, "Open connections.");
    d.field("faults", &E2bStatus::faults, "Requests that a rule of `e2b.faults` has hit, since it was set.");
    d.field("refused_too_fast", &E2bStatus::refused_too_fast,
            "Creates that came too soon for the plan, since `e2b.faults` set it.");
    d.field("refused_too_many", &E2bStatus::refused_too_many, "Creates beyond the plan's number, likewise.");
  }
};

enum class E2bFaultKind : std::uint8_t {
  status,
  edge,
  reset,
  delay,
  lost_answer,
  late_answer,
  cut,
  stall,
  late_list,
  gap,
  skew
};

template <class D>
void describe_enum(D& d, E2bFaultKind*) {
  d.type("E2bFaultKind", "What goes wrong.");
  d.value("status", E2bFaultKind::status, "It is refused with `status`, before anything is done.");
  d.value("edge", E2bFaultKind::edge, "The same in HTML, as a load balancer answers.");
  d.value("reset", E2bFaultKind::reset, "The connection breaks before anything is done.");
  d.value("delay", E2bFaultKind::delay, "Nothing is done for `delay_ms`.");
  d.value("lost_answer", E2bFaultKind::lost_answer, "It is done, and the connection breaks instead of an answer.");
  d.value("late_answer", E2bFaultKind::late_answer, "It is done, and the answer comes `delay_ms` late.");
  d.value("cut", E2bFaultKind::cut,
          "The answer's body, or the WebSocket that it became, breaks off after `after_bytes`.");
  d.value("stall", E2bFaultKind::stall,
          "The answer's body, or the WebSocket that it became, stands still for `delay_ms` after `after_bytes`.");
  d.value("late_list", E2bFaultKind::late_list,
          "Lists show a new sandbox `delay_ms` late, and one that ended for so long afterwards.");
  d.value("gap", E2bFaultKind::gap, "A list leaves out each sandbox with `probability`.");
  d.value("skew", E2bFaultKind::skew, "The service's clock is `delay_ms` behind.");
}

struct E2bFault {
  E2bFaultKind kind = E2bFaultKind::status;
  std::string match = "*";
  double probability = 1;
  std::uint32_t times = 0;
  std::uint32_t status = 500;
  std::string message = "a fault that was asked for";
  std::optional<std::uint32_t> retry_after_s;
  std::chrono::milliseconds delay_ms{0};
  std::uint64_t after_bytes = 0;
  bool operator==(const E2bFault&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("E2bFault", "One rule.");
    d.field("kind", &E2bFault::kind, "What goes wrong.").required();
    d.field("match", &E2bFault::match, "For which requests: method and path, `*` for anything: `POST */sandboxes`.")
        .max_length(1000);
    d.field("probability", &E2bFault::probability, "How often, from 0 to 1.").min(0).max(1);
    d.field("times", &E2bFault::times, "At most so often; 0: always.");
    d.field("status", &E2bFault::status, "HTTP status of `status` and `edge`.").min(400).max(599);
    d.field("message", &E2bFault::message, "What the answer says.").max_length(1000);
    d.field("retry_after_s", &E2bFault::retry_after_s, "A Retry-After field of `status`.").max(3600);
    d.field("delay_ms", &E2bFault::delay_ms, "How long.").max(3'600'000);
    d.field("after_bytes", &E2bFault::after_bytes, "Of the answer's body, how much comes first.");
  }
};

struct E2bFaultsRequest {
  std::uint64_t seed = 1;
  std::vector<E2bFault> faults;
  std::uint32_t sandboxes = 0;
  double creates_a_second = 0;
  bool operator==(const E2bFaultsRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("E2bFaultsRequest", "The rules from now on; the first that matches and hits counts. None: all goes well.");
    d.field("seed", &E2bFaultsRequest::seed, "Decides which of those that match are hit.");
    d.field("faults", &E2bFaultsRequest::faults, "The rules.").max_length(1000);
    d.field("sandboxes", &E2bFaultsRequest::sandboxes,
            "Running sandboxes that the plan allows: a create beyond is a 429 without Retry-After. 0: no limit.");
    d.field("creates_a_second", &E2bFaultsRequest::creates_a_second,
            "Creates that the plan allows: one that comes sooner after the one before is a 429 with Retry-After. 0: no "
            "limit.")
        .min(0)
        .max(1'000'000);
  }
};

inline constexpr Method<E2bOpenRequest, E2bStatus> kE2bOpen{{
    .name = "e2b.open",
    .doc = "Opens the E2B-compatible endpoint until `e2b.close` or the daemon's end.",
    .effect = Effect::changes,
    .errors = {{Code::already_exists, "it is open, or the port is taken"},
               {Code::permission_denied, "an address beyond loopback, without `beyond_loopback` in the configuration"}},
}};
inline constexpr Method<Empty, Empty> kE2bClose{{
    .name = "e2b.close",
    .doc = "Closes the endpoint; sandboxes live on to their timeouts.",
    .effect = Effect::changes,
    .errors = {{Code::failed_precondition, "it is not open"}},
}};
inline constexpr Method<Empty, E2bStatus> kE2bStatus{{
    .name = "e2b.status",
    .doc = "Says whether the endpoint serves, where, and with which key.",
}};
inline constexpr Method<E2bFaultsRequest, Empty> kE2bFaults{{
    .name = "e2b.faults",
    .doc = "Lets requests to the endpoint go wrong on purpose, for tests of its clients.",
    .effect = Effect::changes,
}};

std::span<const MethodInfo* const> e2b_methods();

}  // namespace swarm::api
