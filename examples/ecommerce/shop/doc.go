// Package shop places orders with four providers over HTTP: inventory, payments,
// shipping and analytics. It is written to be read and copied.
//
// Start with client.go: the shop's code is the same whether [Plain] or [Holdfast]
// made its clients. What the code does for its part is to make each call safe to
// repeat, and to say so:
//
//   - a charge and a refund carry an Idempotency-Key that stays the same for all
//     attempts (payments.go),
//   - a shipment is a PUT, and its end a DELETE, which are idempotent by their method
//     (shipping.go),
//   - a GraphQL mutation carries a key too, and a GraphQL query, which is a POST on
//     the wire, is marked by its context (inventory.go),
//   - that an order is paid says a webhook, which may come twice: it is booked once
//     (desks.go),
//   - events have ids, so that a batch may be sent twice (analytics.go).
//
// What fails in the end is taken back, together with the step whose answer is missing,
// which may have been done all the same (order.go).
package shop
