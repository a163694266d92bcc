for(const table of document.querySelectorAll("table.sortable")){
 const heads=[...table.querySelectorAll("thead th")];
 heads.forEach((th,i)=>th.querySelector("button").addEventListener("click",()=>{
  const down=th.getAttribute("aria-sort")!=="descending",body=table.tBodies[0];
  heads.forEach(t=>t.removeAttribute("aria-sort"));
  th.setAttribute("aria-sort",down?"descending":"ascending");
  const key=r=>{const s=r.cells[i].textContent.trim().replace(/,/g,""),n=parseFloat(s.replace(/^[<\[+]+/,""));
   return s===""?null:Number.isNaN(n)?s:n};
  [...body.rows].map((r,n)=>[key(r),n,r]).sort(([a,m],[b,n])=>{
   if(a===null||b===null)return(a===null)-(b===null)||m-n;
   const c=typeof a==="number"&&typeof b==="number"?a-b:String(a).localeCompare(String(b));
   return(down?-c:c)||m-n}).forEach(([,,r])=>body.append(r))}))}
const open=()=>{const at=location.hash&&document.getElementById(location.hash.slice(1));
 if(at&&at.tagName==="DETAILS"){at.open=true;at.scrollIntoView()}};
addEventListener("hashchange",open);open();
