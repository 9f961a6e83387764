// An independent verifier, to compare Berth's with: reads requests in JSON, one a line, and answers each with one line.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	sevabi "github.com/google/go-sev-guest/abi"
	spb "github.com/google/go-sev-guest/proto/sevsnp"
	sevverify "github.com/google/go-sev-guest/verify"
	sevtrust "github.com/google/go-sev-guest/verify/trust"
	tdxabi "github.com/google/go-tdx-guest/abi"
	tpb "github.com/google/go-tdx-guest/proto/tdx"
	tdxverify "github.com/google/go-tdx-guest/verify"
)

type request struct {
	Kind     string `json:"kind"`
	Evidence string `json:"evidence"`
	Time     int64  `json:"time"`
	Signer   string `json:"signer"`
	IsVlek   bool   `json:"is_vlek"`
	Ask      string `json:"ask"`
	Ark      string `json:"ark"`
}

type answer struct {
	Ok     bool              `json:"ok"`
	Error  string            `json:"error"`
	Fields map[string]string `json:"fields"`
}

func fromHex(text string) []byte {
	out, err := hex.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return out
}

func snp(r request, fields map[string]string) error {
	report, err := sevabi.ReportToProto(fromHex(r.Evidence))
	if err != nil {
		return err
	}
	fields["measurement"] = hex.EncodeToString(report.GetMeasurement())
	fields["report_data"] = hex.EncodeToString(report.GetReportData())
	fields["host_data"] = hex.EncodeToString(report.GetHostData())
	fields["id_key_digest"] = hex.EncodeToString(report.GetIdKeyDigest())
	fields["chip_id"] = hex.EncodeToString(report.GetChipId())
	fields["report_id"] = hex.EncodeToString(report.GetReportId())
	fields["guest_svn"] = fmt.Sprint(report.GetGuestSvn())
	fields["vmpl"] = fmt.Sprint(report.GetVmpl())
	fields["reported_tcb"] = fmt.Sprintf("0x%016x", report.GetReportedTcb())
	fields["current_tcb"] = fmt.Sprintf("0x%016x", report.GetCurrentTcb())
	fields["committed_tcb"] = fmt.Sprintf("0x%016x", report.GetCommittedTcb())
	fields["launch_tcb"] = fmt.Sprintf("0x%016x", report.GetLaunchTcb())
	chain := &spb.CertificateChain{AskCert: fromHex(r.Ask), ArkCert: fromHex(r.Ark)}
	if r.IsVlek {
		chain.VlekCert = fromHex(r.Signer)
	} else {
		chain.VcekCert = fromHex(r.Signer)
	}
	// Its own roots have no intermediate for VLEKs.
	var roots map[string][]*sevtrust.AMDRootCerts
	if r.IsVlek {
		ark, err := sevtrust.ParseCert(fromHex(r.Ark))
		if err != nil {
			return err
		}
		asvk, err := sevtrust.ParseCert(fromHex(r.Ask))
		if err != nil {
			return err
		}
		roots = map[string][]*sevtrust.AMDRootCerts{"Milan": {{ProductLine: "Milan",
			ProductCerts: &sevtrust.ProductCerts{Ark: ark, Asvk: asvk}}}}
	}
	return sevverify.SnpAttestation(&spb.Attestation{Report: report, CertificateChain: chain,
		Product: &spb.SevProduct{Name: spb.SevProduct_SEV_PRODUCT_MILAN}},
		&sevverify.Options{DisableCertFetching: true, TrustedRoots: roots, Now: time.Unix(r.Time, 0),
			Product: &spb.SevProduct{Name: spb.SevProduct_SEV_PRODUCT_MILAN}})
}

func tdx(r request, fields map[string]string) error {
	quote, err := tdxabi.QuoteToProto(fromHex(r.Evidence))
	if err != nil {
		return err
	}
	if four, ok := quote.(*tpb.QuoteV4); ok {
		body := four.GetTdQuoteBody()
		fields["mr_td"] = hex.EncodeToString(body.GetMrTd())
		fields["mr_seam"] = hex.EncodeToString(body.GetMrSeam())
		fields["report_data"] = hex.EncodeToString(body.GetReportData())
		fields["tee_tcb_svn"] = hex.EncodeToString(body.GetTeeTcbSvn())
		for i, rtmr := range body.GetRtmrs() {
			fields[fmt.Sprintf("rtmr%d", i)] = hex.EncodeToString(rtmr)
		}
	}
	// Its check of collateral wants the processor's family in lower case, which the vendor does not always write.
	return tdxverify.TdxQuote(quote, &tdxverify.Options{Now: time.Unix(r.Time, 0)})
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		out := answer{Fields: map[string]string{}}
		verify := snp
		if r.Kind == "tdx" {
			verify = tdx
		}
		if err := verify(r, out.Fields); err != nil {
			out.Error = err.Error()
		} else {
			out.Ok = true
		}
		text, _ := json.Marshal(out)
		fmt.Println(string(text))
	}
}
