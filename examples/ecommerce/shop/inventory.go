package shop

import (
	"context"
	"fmt"
	"net/http"

	"github.com/holdfast-go/holdfast/retry"
)

// inventory calls the GraphQL API of the warehouse.
type inventory struct {
	url    string
	client *http.Client
}

// GraphQLError reports an answer that has the status 200 and says inside that the
// operation failed.
type GraphQLError struct {
	Operation string
	Code      string // extensions.code of the first error, such as OUT_OF_STOCK
	Message   string
}

// Error names the operation, the code and the message of the first error.
func (e *GraphQLError) Error() string {
	return fmt.Sprintf("inventory: %s: %s: %s", e.Operation, e.Code, e.Message)
}

const (
	stockQuery      = `query Stock($sku: String!) { stock(sku: $sku) { available } }`
	reserveMutation = `mutation Reserve($input: ReserveInput!) { reserve(input: $input) { clientMutationId } }`
	releaseMutation = `mutation Release($input: ReleaseInput!) { release(input: $input) { clientMutationId } }`
)

// available returns how many pieces of an order's SKU are free.
func (i inventory) available(ctx context.Context, o Order) (int, error) {
	var data struct {
		Stock struct {
			Available int `json:"available"`
		} `json:"stock"`
	}
	// A query changes nothing, but on the wire it is a POST like any other. The mark in
	// the context says that it may be repeated.
	ctx = retry.Idempotent(ctx)
	err := i.call(ctx, operation{
		name:      "Stock",
		document:  stockQuery,
		variables: map[string]any{"sku": o.SKU},
		requestID: o.ID,
	}, &data)
	return data.Stock.Available, err
}

// reserve takes the pieces of an order off the stock.
func (i inventory) reserve(ctx context.Context, o Order) error {
	return i.mutate(ctx, "Reserve", reserveMutation, o.ID, map[string]any{
		"order":    o.ID,
		"sku":      o.SKU,
		"quantity": o.Quantity,
	})
}

// release gives back whatever is reserved for an order, be it nothing.
func (i inventory) release(ctx context.Context, o Order) error {
	return i.mutate(ctx, "Release", releaseMutation, o.ID, map[string]any{"order": o.ID})
}

// mutate sends a mutation with an id under which the server does it once. The same id
// as a header tells the retry policy so.
func (i inventory) mutate(ctx context.Context, name, document, orderID string, input map[string]any) error {
	id := name + "-" + orderID
	input["clientMutationId"] = id
	return i.call(ctx, operation{
		name:      name,
		document:  document,
		variables: map[string]any{"input": input},
		requestID: orderID,
		key:       id,
	}, nil)
}

// operation is one GraphQL operation on its way out.
type operation struct {
	name      string
	document  string
	variables map[string]any
	requestID string
	key       string // idempotency key, empty for a query
}

func (i inventory) call(ctx context.Context, op operation, data any) error {
	req, err := request(ctx, http.MethodPost, i.url+"/graphql", map[string]any{
		"operationName": op.name,
		"query":         op.document,
		"variables":     op.variables,
	})
	if err != nil {
		return err
	}
	req.Header.Set("X-Request-Id", op.requestID)
	if op.key != "" {
		req.Header.Set(idempotencyKey, op.key)
	}
	answer := struct {
		Data   any `json:"data"`
		Errors []struct {
			Message    string `json:"message"`
			Extensions struct {
				Code string `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}{Data: data}
	if err := do(i.client, req, "inventory: "+op.name, &answer); err != nil {
		return err
	}
	if len(answer.Errors) > 0 {
		first := answer.Errors[0]
		return &GraphQLError{Operation: op.name, Code: first.Extensions.Code, Message: first.Message}
	}
	return nil
}
